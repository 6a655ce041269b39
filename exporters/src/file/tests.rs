use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use pipelines::component::ComponentId;
use proto::{AnyBatch, json, testing::sample};
use tempfile::TempDir;

use super::{
    config::{Compression, Rotation},
    *,
};
use crate::auth::Authenticators;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn at(path: &Path) -> Config {
    Config { path: path.to_owned(), ..Config::default() }
}

fn target(config: &Config) -> Result<Target, ConfigError> {
    let settings = Settings {
        id: &ComponentId::new("file"),
        signal: SignalKind::Traces,
        seed: 1,
        hints: None,
        authenticators: &Authenticators::default(),
    };
    config.build(&settings).map(|built| built.target)
}

fn batches() -> [AnyBatch; 3] {
    [sample::traces(3, 4, 1).into(), sample::metrics(3, 1).into(), sample::logs(3, 1).into()]
}

async fn send(target: &Target, batch: &AnyBatch) -> Answer {
    target.send(batch.kind(), batch.bytes().clone().into()).await
}

async fn write(target: &Target, batch: &AnyBatch) {
    assert_eq!(send(target, batch).await, Answer::Taken { rejected: 0, message: String::new() });
}

/// The requests of a file that is none of lines.
fn frames(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let (frame, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        frames.push(frame.to_vec());
        bytes = rest;
    }
    assert!(bytes.is_empty());
    frames
}

#[tokio::test]
async fn lines_of_several_pipelines_read_back_and_never_mix() {
    let folder = folder();
    let config = at(&folder.path().join("all.json"));
    let mut writing = Vec::new();
    for batch in batches() {
        let target = target(&config).unwrap();
        writing.push(tokio::spawn(async move {
            for _ in 0..50 {
                write(&target, &batch).await;
            }
        }));
    }
    for one in writing {
        one.await.unwrap();
    }
    let text = fs::read_to_string(&config.path).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!((lines.len(), text.ends_with('\n')), (150, true));
    for batch in batches() {
        let same = |line: &&&str| {
            json::decode(batch.kind(), line.as_bytes(), 1 << 20).is_ok_and(|bytes| bytes == *batch.bytes())
        };
        assert_eq!(lines.iter().filter(same).count(), 50, "{}", batch.kind());
    }
}

#[tokio::test]
async fn other_forms_are_requests_behind_their_length() {
    for (format, compression) in [
        (Format::Proto, Compression::None),
        (Format::Proto, Compression::Zstd),
        (Format::Json, Compression::Zstd),
    ] {
        let folder = folder();
        let config = Config { format, compression, ..at(&folder.path().join("data")) };
        let target = target(&config).unwrap();
        for batch in batches() {
            write(&target, &batch).await;
        }
        let frames = frames(&fs::read(&config.path).unwrap());
        for (frame, batch) in frames.iter().zip(batches()) {
            let frame = match compression {
                Compression::None => frame.clone(),
                Compression::Zstd => zstd::stream::decode_all(&frame[..]).unwrap(),
            };
            let bytes = match format {
                Format::Proto => frame,
                Format::Json => json::decode(batch.kind(), &frame, 1 << 20).unwrap(),
            };
            assert_eq!(bytes, *batch.bytes());
        }
    }
}

#[tokio::test]
async fn what_a_crash_left_half_written_is_cut_off_wherever_it_was_cut() {
    for format in [Format::Json, Format::Proto] {
        let folder = folder();
        let config = Config { format, fsync: false, ..at(&folder.path().join("data")) };
        let [whole, torn, after] = batches();
        let first = target(&config).unwrap();
        write(&first, &whole).await;
        let kept = fs::read(&config.path).unwrap();
        write(&first, &torn).await;
        let all = fs::read(&config.path).unwrap();
        drop(first);
        for cut in kept.len()..all.len() {
            fs::write(&config.path, &all[..cut]).unwrap();
            // Another process would have a configuration of its own.
            let next = Config { format, fsync: false, ..at(&config.path) };
            let target = target(&next).unwrap();
            assert_eq!(fs::read(&config.path).unwrap(), kept, "cut at {cut}");
            if cut % 100 == 0 {
                write(&target, &after).await;
                let bytes = fs::read(&config.path).unwrap();
                assert!(bytes.starts_with(&kept) && bytes.len() > kept.len());
            }
        }
    }
}

#[tokio::test]
async fn a_full_disk_is_tried_again_and_loses_nothing() {
    let folder = folder();
    let config = at(&folder.path().join("data.json"));
    // The device of the name takes nothing.
    symlink("/dev/full", &config.path).unwrap();
    let target = target(&config).unwrap();
    let [batch, ..] = batches();
    for _ in 0..3 {
        let answer = send(&target, &batch).await;
        assert!(
            matches!(
                &answer,
                Answer::Refused(Refused { action: Action::Retry { after: None }, message, .. })
                    if message.contains("No space left")
            ),
            "{answer:?}"
        );
    }
    fs::remove_file(&config.path).unwrap();
    write(&target, &batch).await;
    assert_eq!(fs::read_to_string(&config.path).unwrap().lines().count(), 1);
}

#[tokio::test]
async fn a_file_that_is_large_enough_is_put_aside_and_old_ones_are_deleted() {
    let folder = folder();
    let rotation = Some(Rotation { max_megabytes: 1, max_backups: 2, ..Rotation::default() });
    let config =
        Config { rotation, format: Format::Proto, fsync: false, ..at(&folder.path().join("data.bin")) };
    for other in ["data-notes.bin", "data-2022-09-14T05-02-14.173.txt", "other-2022-09-14T05-02-14.173.bin"] {
        fs::write(folder.path().join(other), "keep").unwrap();
    }
    fs::write(folder.path().join("data-2022-09-14T05-02-14.173.bin"), "the oldest").unwrap();
    let target = target(&config).unwrap();
    let batch: AnyBatch = sample::traces(1500, 4, 1).into();
    let each = batch.bytes().len() + LENGTH_BYTES;
    let per_file = (1 << 20) / each;
    assert!((2..20).contains(&per_file), "{each} bytes");
    for _ in 0..per_file * 4 {
        write(&target, &batch).await;
    }
    let mut names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let old: Vec<_> =
        names.iter().filter(|name| name.starts_with("data-2") && name.ends_with(".bin")).collect();
    assert_eq!(old.len(), 2, "{names:?}");
    assert!(!names.contains(&"data-2022-09-14T05-02-14.173.bin".to_owned()), "the oldest goes first");
    assert_eq!(names.len(), 6, "what is not ours stays: {names:?}");
    for name in [old[0].as_str(), old[1], "data.bin"] {
        let bytes = fs::read(folder.path().join(name)).unwrap();
        assert!(bytes.len() <= 1 << 20);
        assert_eq!(frames(&bytes).len(), per_file, "{name}");
    }
}

#[tokio::test]
async fn one_file_has_one_writer() {
    let folder = folder();
    let config = at(&folder.path().join("data.json"));
    let first = target(&config).unwrap();
    let error = target(&at(&config.path)).unwrap_err().to_string();
    assert!(
        error.starts_with("path: `") && error.contains("another exporter or process writes it"),
        "{error}"
    );
    assert!(target(&config).is_ok(), "another pipeline of the same exporter shares it");
    drop(first);
    assert!(target(&at(&config.path)).is_ok());
}

#[tokio::test]
async fn a_start_goes_on_with_the_file_unless_it_is_told_to_begin_anew() {
    let folder = folder();
    let path = folder.path().join("deep/down/data.json");
    let error = target(&at(&path)).unwrap_err();
    assert_eq!(error.path, "path");
    let permissions = "0700".to_owned();
    let config = Config { create_directory: true, directory_permissions: permissions, ..at(&path) };
    let [batch, ..] = batches();
    for (append, lines) in [(true, 1), (true, 2), (false, 1)] {
        write(&target(&Config { append, ..config.clone() }).unwrap(), &batch).await;
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), lines);
    }
    let mode = fs::metadata(path.parent().unwrap()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_configuration_of_the_collector_is_read_and_the_rest_is_named() {
    let read = |yaml| serde_saphyr::from_str::<Config>(yaml).unwrap();
    let config = read(
        "
        path: ./data.json
        rotation: {max_megabytes: 10, max_days: 3, max_backups: 3, localtime: true}
        format: proto
        compression: zstd
        compression_params: {level: 9}
        flush_interval: 5s
        create_directory: true
        directory_permissions: '0700'
        group_by: {enabled: false, resource_attribute: fileexporter.path_segment, max_open_files: 100}
        ",
    );
    assert_eq!(config.check(), []);
    let notes: Vec<_> = config.without_effect().into_iter().map(|note| note.path).collect();
    assert_eq!(notes, ["flush_interval", "rotation.localtime", "group_by"]);
    let wrong = read(
        "
        path: ''
        rotation: {max_megabytes: 0}
        compression_params: {level: 23}
        directory_permissions: rwx
        group_by: {enabled: true}
        encoding: otlp_encoding
        ",
    );
    let paths: Vec<_> = wrong.check().into_iter().map(|error| error.path).collect();
    assert_eq!(
        paths,
        [
            "path",
            "rotation.max_megabytes",
            "compression_params.level",
            "directory_permissions",
            "group_by.enabled",
            "encoding",
        ]
    );
}

use super::*;

fn letters(directory: &Path, bytes_max: u64) -> DeadLetters {
    DeadLetters::new(directory, "otlp_grpc/eu", "traces", bytes_max)
}

fn letter(number: u64) -> Letter {
    Letter {
        arrival: UnixNanos(number),
        refused: UnixNanos(number + 1),
        signal: SignalKind::Traces,
        items: number,
        code: "INVALID_ARGUMENT".to_owned(),
        reason: format!("no {number}"),
        payload: vec![number as u8; 100].into(),
    }
}

/// The numbers of the letters that are found, and the bytes that nobody can read.
fn found(directory: &Path) -> (Vec<u64>, u64) {
    let contents = LetterFile::all(directory).unwrap().into_iter().map(|file| file.read().unwrap().unwrap());
    contents.fold((Vec::new(), 0), |(mut numbers, unreadable), contents| {
        for found in contents.letters {
            assert_eq!(found.letter, letter(found.letter.items), "a letter comes back as it was");
            numbers.push(found.letter.items);
        }
        (numbers, unreadable + contents.unreadable_bytes)
    })
}

fn only_file(directory: &Path) -> LetterFile {
    let files = LetterFile::all(directory).unwrap();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

fn take(file: &LetterFile, which: impl Fn(u64) -> bool) {
    let letters = file.read().unwrap().unwrap().letters;
    let letters: Vec<_> = letters.into_iter().filter(|found| which(found.letter.items)).collect();
    file.take(&letters).unwrap();
}

#[test]
fn letters_are_found_in_their_order_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(found(&folder.path().join("nowhere")), (vec![], 0));
    for number in 1..6 {
        letters(folder.path(), 1 << 20).keep(&letter(number)).unwrap();
    }
    let one = letters(folder.path(), 1 << 20);
    (6..9).for_each(|number| one.keep(&letter(number)).unwrap());
    assert_eq!(found(folder.path()), ((1..9).collect(), 0));
    let contents = only_file(folder.path()).read().unwrap().unwrap();
    assert_eq!((contents.exporter.as_str(), contents.pipeline.as_str()), ("otlp_grpc/eu", "traces"));
}

#[test]
fn an_end_that_was_cut_off_anywhere_costs_only_the_last_letter() {
    let folder = tempfile::tempdir().unwrap();
    let ends: Vec<_> = (1..4)
        .map(|number| {
            letters(folder.path(), 1 << 20).keep(&letter(number)).unwrap();
            length(only_file(folder.path()).path()) as usize
        })
        .collect();
    let path = only_file(folder.path()).path().to_owned();
    let whole = fs::read(&path).unwrap();
    for cut in ends[1]..ends[2] {
        fs::write(&path, &whole[..cut]).unwrap();
        assert_eq!(found(folder.path()), (vec![1, 2], (cut - ends[1]) as u64), "cut at {cut}");
        letters(folder.path(), 1 << 20).keep(&letter(9)).unwrap();
        assert_eq!(found(folder.path()), (vec![1, 2, 9], 0), "cut at {cut}");
    }
    // The same where the file has its length and not its bytes, as after a power cut.
    let zeros = [&whole[..ends[1]], &vec![0; 4096][..]].concat();
    fs::write(&path, zeros).unwrap();
    letters(folder.path(), 1 << 20).keep(&letter(9)).unwrap();
    assert_eq!(found(folder.path()), (vec![1, 2, 9], 0));
}

#[test]
fn damage_costs_the_letter_it_hits_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let one = letters(folder.path(), 1 << 20);
    one.keep(&letter(1)).unwrap();
    let path = only_file(folder.path()).path().to_owned();
    let begin = length(&path);
    (2..5).for_each(|number| one.keep(&letter(number)).unwrap());
    let whole = fs::read(&path).unwrap();
    let second = (whole.len() as u64 - begin) / 3;
    for byte in (begin..begin + second).filter(|byte| *byte != begin + TAKEN_AT) {
        let mut bytes = whole.clone();
        bytes[byte as usize] ^= 1 << (byte % 8);
        fs::write(&path, &bytes).unwrap();
        assert_eq!(found(folder.path()), (vec![1, 3, 4], second), "byte {byte}");
        letters(folder.path(), 1 << 20).keep(&letter(5)).unwrap();
        assert_eq!(found(folder.path()), (vec![1, 3, 4, 5], second), "byte {byte}");
    }
}

#[test]
fn a_payload_cannot_pass_for_a_letter() {
    let folder = tempfile::tempdir().unwrap();
    let one = letters(folder.path(), 1 << 20);
    let forged = format::encode(7, &letter(66));
    one.keep(&Letter { payload: forged.into(), ..letter(1) }).unwrap();
    one.keep(&letter(2)).unwrap();
    let path = only_file(folder.path()).path().to_owned();
    let mut bytes = fs::read(&path).unwrap();
    let begin = bytes.windows(4).position(|window| window == b"PLTR").unwrap();
    bytes[begin] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_eq!(found(folder.path()).0, [2]);
}

#[test]
fn a_full_exporter_keeps_what_it_has_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let bytes_max = 1000;
    let one = letters(folder.path(), bytes_max);
    let kept: Vec<_> = (1..20).filter(|number| one.keep(&letter(*number)).is_ok()).collect();
    assert_eq!(kept, (1..=kept.len() as u64).collect::<Vec<_>>(), "the first ones, without a gap");
    assert!(kept.len() > 3);
    assert!(matches!(one.keep(&letter(20)), Err(NotKept::Full { bytes_max: 1000 })));
    // The bound is the exporter's, not the pipeline's; another exporter has its own.
    let logs = DeadLetters::new(folder.path(), "otlp_grpc/eu", "logs", bytes_max);
    assert!(matches!(logs.keep(&letter(1)), Err(NotKept::Full { .. })));
    DeadLetters::new(folder.path(), "otlp_grpc", "traces", bytes_max).keep(&letter(1)).unwrap();
    let eu = folder.path().join("otlp_grpc%2Feu");
    let used: u64 = letter_files(&eu).unwrap().iter().map(|path| length(path)).sum();
    assert!(used <= bytes_max && used > bytes_max / 2, "{used} bytes");
}

#[test]
fn what_is_taken_is_not_found_again_and_gives_its_room_back() {
    let folder = tempfile::tempdir().unwrap();
    let one = letters(folder.path(), 1000);
    while one.keep(&letter(1)).is_ok() {}
    let file = only_file(folder.path());
    take(&file, |_| true);
    assert_eq!(LetterFile::all(folder.path()).unwrap(), []);
    assert_eq!(file.read().unwrap(), None, "a file that is gone is no error");
    file.take(&[]).unwrap();
    // The writer had this file open; it goes on in a new one.
    (2..5).for_each(|number| one.keep(&letter(number)).unwrap());
    take(&only_file(folder.path()), |number| number == 3);
    assert_eq!(found(folder.path()), (vec![2, 4], 0));
    one.keep(&letter(5)).unwrap();
    assert_eq!(found(folder.path()), (vec![2, 4, 5], 0));
}

#[test]
fn a_large_file_is_followed_by_another() {
    let folder = tempfile::tempdir().unwrap();
    let one = letters(folder.path(), 64 << 20);
    let large = |number: u64| Letter { payload: vec![0; FILE_BYTES as usize / 2].into(), ..letter(number) };
    (0..7).for_each(|number| one.keep(&large(number)).unwrap());
    let files = LetterFile::all(folder.path()).unwrap();
    let numbers = |file: &LetterFile| -> Vec<u64> {
        file.read().unwrap().unwrap().letters.iter().map(|found| found.letter.items).collect()
    };
    assert_eq!(files.iter().map(numbers).collect::<Vec<_>>(), [vec![0, 1], vec![2, 3], vec![4, 5], vec![6]]);
}

#[test]
fn another_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    letters(folder.path(), 1 << 20).keep(&letter(1)).unwrap();
    let newer = only_file(folder.path());
    let mut bytes = fs::read(newer.path()).unwrap();
    bytes[4] = 99;
    fs::write(newer.path(), &bytes).unwrap();
    letters(folder.path(), 1 << 20).keep(&letter(2)).unwrap();
    assert_eq!(fs::read(newer.path()).unwrap(), bytes);
    let error = newer.read().unwrap_err();
    assert!(error.to_string().contains("dead-letter format 99"), "{error}");
    assert_eq!(LetterFile::all(folder.path()).unwrap().len(), 2);
}

#[test]
fn long_reasons_and_strange_names_are_borne() {
    let folder = tempfile::tempdir().unwrap();
    let name = format!("../é/{}", "x".repeat(5000));
    let one = DeadLetters::new(folder.path(), &name, "traces", 1 << 20);
    one.keep(&Letter { reason: "é".repeat(5000), ..letter(1) }).unwrap();
    let contents = only_file(folder.path()).read().unwrap().unwrap();
    assert_eq!(contents.exporter, name);
    assert_eq!(contents.letters[0].letter.reason, "é".repeat(REASON_BYTES_MAX / 2));
}

#[test]
fn a_disk_that_says_no_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let blocked = folder.path().join("file");
    fs::write(&blocked, b"").unwrap();
    let error = letters(&blocked, 1 << 20).keep(&letter(1)).unwrap_err();
    assert!(matches!(error, NotKept::Storage(_)), "{error}");
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(bytes: Vec<u8>, flips: Vec<(u16, u8)>) {
        let mut file = [Header::new("a", "b").encode(), format::encode(0, &letter(1)), bytes].concat();
        for (place, bits) in flips {
            let length = file.len();
            file[usize::from(place) % length] ^= bits;
        }
        if let Ok(scan) = Scan::of(file.clone().into()) {
            assert!(scan.end <= file.len() as u64);
        }
    }
}

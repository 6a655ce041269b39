//! The names of old files: `data.json` becomes `data-2022-09-14T05-02-14.173.json`, in UTC.
//!
//! **Guaranteed:** no file is touched whose name is not of this form, down to the last digit.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};

use super::config::Rotation;

/// A free name for the file that is put aside at `now`, or as soon after as there is one.
pub(super) fn name(path: &Path, now: Timestamp) -> PathBuf {
    let (stem, extension) = parts(path);
    let free = (0i64..).map(|later| {
        let time = now.saturating_add(SignedDuration::from_millis(later)).unwrap_or(now);
        let time = time.strftime(FORMAT);
        path.with_file_name(format!("{stem}-{time}{extension}"))
    });
    free.take(NAMES_TRIED_MAX).find(|name| !name.exists()).unwrap_or_else(|| path.with_extension("rotated"))
}

/// Deletes old files: those that are too many, and those that are too old.
pub(super) fn clean(path: &Path, rotation: Rotation, now: Timestamp) -> io::Result<()> {
    let mut old = old(path)?;
    old.sort_by_key(|(time, _)| std::cmp::Reverse(*time));
    let kept = if rotation.max_backups == 0 { usize::MAX } else { rotation.max_backups };
    let days = i64::try_from(rotation.max_days).unwrap_or(i64::MAX);
    let age = SignedDuration::from_hours(days.min(DAYS_MAX) * 24);
    let is_too_old = |time: Timestamp| rotation.max_days > 0 && now.duration_since(time) > age;
    for (place, (time, file)) in old.into_iter().enumerate() {
        if place >= kept || is_too_old(time) {
            fs::remove_file(file)?;
        }
    }
    Ok(())
}

/// The old files of `path`, each with the time in its name.
fn old(path: &Path) -> io::Result<Vec<(Timestamp, PathBuf)>> {
    let (stem, extension) = parts(path);
    let mut old = Vec::new();
    for entry in fs::read_dir(folder(path))? {
        let entry = entry?;
        let name = entry.file_name();
        let time = name.to_str().and_then(|name| {
            let time = name.strip_prefix(&stem)?.strip_prefix('-')?.strip_suffix(&extension)?;
            let read = DateTime::strptime(FORMAT, time).ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp();
            (read.strftime(FORMAT).to_string() == time).then_some(read)
        });
        if let Some(time) = time {
            old.push((time, entry.path()));
        }
    }
    Ok(old)
}

/// The directory of a file.
pub(super) fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// What stands before the time in a name, and what behind it.
fn parts(path: &Path) -> (String, String) {
    let text = |part: Option<&OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    let extension = text(path.extension());
    let extension = if extension.is_empty() { extension } else { format!(".{extension}") };
    (text(path.file_stem()), extension)
}

const FORMAT: &str = "%Y-%m-%dT%H-%M-%S.%3f";
/// Names that are tried, a millisecond apart.
const NAMES_TRIED_MAX: usize = 10_000;
const DAYS_MAX: i64 = 36_500;

//! `phasor journal dead-letters`: lists what destinations have refused for good, or sends it again.
//!
//! - **Guaranteed:** listing changes nothing; a letter is removed only when the endpoint has taken it; two replays at a
//!   time are refused; one that is cut off may send some letters twice, and loses none.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use exporters::{
    delivery::{Answer, Destination, Refused, retry::Action},
    otlp_grpc,
};
use pipelines::dead_letters::{Contents, Found, Letter, LetterFile, ReadError, Replay};
use serde_json::json;

use super::time;
use crate::service::chain;

/// `phasor journal dead-letters`
#[derive(Debug, Args)]
pub(in crate::cli) struct DeadLetters {
    /// Only those of this exporter, named as in the configuration: `otlp_grpc/eu`.
    #[arg(long, value_name = "NAME")]
    exporter: Option<String>,
    /// One JSON object on standard output.
    #[arg(long)]
    json: bool,
    /// Send them over OTLP/gRPC to this endpoint, as `http://host:port` without TLS, else `https://host:port`; what is
    /// taken there is removed here.
    #[arg(long, value_name = "ENDPOINT", conflicts_with = "json")]
    replay_to: Option<String>,
}

/// One letter in a list.
struct Row {
    exporter: String,
    pipeline: String,
    letter: Letter,
    bytes: usize,
}

/// What a list shows.
#[derive(Default)]
struct List {
    rows: Vec<Row>,
    /// Files that cannot be read, or not as a whole, and why.
    unreadable: Vec<(String, String)>,
}

/// What became of a replay.
#[derive(Default)]
struct Sent {
    letters: u64,
    items: u64,
    /// Items the endpoint left out of what it took.
    rejected: u64,
    refused: u64,
}

pub(super) fn dead_letters(
    arguments: &DeadLetters,
    directory: &Path,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<ExitCode> {
    let done = match &arguments.replay_to {
        Some(endpoint) => replay(arguments, directory, endpoint, out, err),
        None => list(arguments, directory, out),
    };
    done.or_else(|error| {
        writeln!(err, "error: {}: {error}", directory.display())?;
        Ok(ExitCode::FAILURE)
    })
}

fn list(arguments: &DeadLetters, directory: &Path, out: &mut dyn Write) -> io::Result<ExitCode> {
    let list = List::read(arguments, directory)?;
    if arguments.json {
        writeln!(out, "{:#}", list.to_json())?;
    } else {
        list.write(directory, out)?;
    }
    Ok(ExitCode::SUCCESS)
}

// === impl DeadLetters ===

impl DeadLetters {
    /// What is wanted of a file.
    fn read(&self, file: &LetterFile) -> Result<Option<Contents>, ReadError> {
        let wanted =
            |contents: &Contents| self.exporter.as_ref().is_none_or(|name| *name == contents.exporter);
        Ok(file.read()?.filter(wanted))
    }
}

// === impl List ===

impl List {
    fn read(arguments: &DeadLetters, directory: &Path) -> io::Result<Self> {
        let mut list = Self::default();
        for file in LetterFile::all(directory)? {
            let name = file.path().display().to_string();
            match arguments.read(&file) {
                Ok(None) => {}
                Ok(Some(contents)) => {
                    if contents.unreadable_bytes > 0 {
                        let why = format!("{} bytes are damaged or not finished", contents.unreadable_bytes);
                        list.unreadable.push((name, why));
                    }
                    list.add(contents);
                }
                Err(error) => list.unreadable.push((name, chain(&error))),
            }
        }
        Ok(list)
    }

    fn add(&mut self, contents: Contents) {
        let Contents { exporter, pipeline, letters, .. } = contents;
        self.rows.extend(letters.into_iter().map(|Found { letter, .. }| {
            let bytes = letter.payload.len();
            // The file's bytes are let go.
            let letter = Letter { payload: bytes::Bytes::new(), ..letter };
            Row { exporter: exporter.clone(), pipeline: pipeline.clone(), letter, bytes }
        }));
    }

    fn to_json(&self) -> serde_json::Value {
        let letter = |row: &Row| {
            let Letter { arrival, refused, signal, items, code, reason, .. } = &row.letter;
            json!({
                "exporter": row.exporter, "pipeline": row.pipeline, "signal": signal.as_str(),
                "arrived_at": time(*arrival), "refused_at": time(*refused),
                "items": items, "bytes": row.bytes, "code": code, "reason": reason,
            })
        };
        let unreadable = |(file, why): &(String, String)| json!({"file": file, "error": why});
        json!({
            "dead_letters": self.rows.iter().map(letter).collect::<Vec<_>>(),
            "unreadable": self.unreadable.iter().map(unreadable).collect::<Vec<_>>(),
        })
    }

    fn write(&self, directory: &Path, out: &mut dyn Write) -> io::Result<()> {
        if self.rows.is_empty() {
            writeln!(out, "no dead letters in {}", directory.display())?;
        } else {
            self.write_table(out)?;
        }
        for (file, why) in &self.unreadable {
            writeln!(out, "{file}: {why}")?;
        }
        Ok(())
    }

    fn write_table(&self, out: &mut dyn Write) -> io::Result<()> {
        let width = |title: &str, text: fn(&Row) -> &str| {
            self.rows.iter().map(|row| text(row).len()).max().unwrap_or_default().max(title.len())
        };
        let exporter = width("EXPORTER", |row| &row.exporter);
        let pipeline = width("PIPELINE", |row| &row.pipeline);
        writeln!(
            out,
            "{:exporter$}  {:pipeline$}  {:20}  {:7}  {:>8}  {:>10}  REASON",
            "EXPORTER", "PIPELINE", "REFUSED AT", "SIGNAL", "ITEMS", "BYTES"
        )?;
        for Row { exporter: name, pipeline: from, letter, bytes } in &self.rows {
            let Letter { refused, signal, items, code, reason, .. } = letter;
            let (refused, signal, reason) = (time(*refused), signal.as_str(), plain(reason));
            writeln!(
                out,
                "{name:exporter$}  {from:pipeline$}  {refused:20}  {signal:7}  {items:>8}  {bytes:>10}  {code}: {reason}"
            )?;
        }
        let items: u64 = self.rows.iter().map(|row| row.letter.items).sum();
        let bytes: usize = self.rows.iter().map(|row| row.bytes).sum();
        writeln!(out, "{} letters, {items} items, {bytes} bytes", self.rows.len())
    }
}

fn replay(
    arguments: &DeadLetters,
    directory: &Path,
    endpoint: &str,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<ExitCode> {
    let config = otlp_grpc::Config { endpoint: endpoint.to_owned(), ..otlp_grpc::Config::default() };
    let connection = match otlp_grpc::Connection::new(&config) {
        Ok(connection) => connection,
        Err(error) => {
            writeln!(err, "error: --replay-to: {}", error.message)?;
            return Ok(ExitCode::FAILURE);
        }
    };
    let files = LetterFile::all(directory)?;
    if files.is_empty() {
        writeln!(out, "no dead letters in {}", directory.display())?;
        return Ok(ExitCode::SUCCESS);
    }
    let Some(_only_one) = Replay::begin(directory)? else {
        writeln!(err, "error: another replay is at work in {}; wait for its end", directory.display())?;
        return Ok(ExitCode::FAILURE);
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut sent = Sent::default();
    let outcome = runtime.block_on(async {
        let client = connection.open();
        for file in &files {
            sent.send_file(arguments, file, &client, err).await?;
        }
        io::Result::Ok(())
    });
    writeln!(out, "{} letters with {} items were taken by {endpoint}", sent.letters, sent.items)?;
    if sent.rejected > 0 {
        writeln!(out, "{} of the items it left out for good", sent.rejected)?;
    }
    if sent.refused > 0 {
        writeln!(out, "{} letters were refused again and stay", sent.refused)?;
    }
    outcome?;
    Ok(if sent.refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

// === impl Sent ===

impl Sent {
    /// Sends the letters of a file, and takes out those that were taken, also if it has to stop in the middle.
    async fn send_file(
        &mut self,
        arguments: &DeadLetters,
        file: &LetterFile,
        client: &impl Destination,
        err: &mut dyn Write,
    ) -> io::Result<()> {
        let contents = match arguments.read(file) {
            Ok(Some(contents)) => contents,
            Ok(None) => return Ok(()),
            Err(error) => return writeln!(err, "{}: {}", file.path().display(), chain(&error)),
        };
        let mut taken = Vec::new();
        let mut outcome = Ok(());
        for found in contents.letters {
            match send(client, &found.letter).await {
                Answer::Taken { rejected, .. } => {
                    self.letters += 1;
                    self.items += found.letter.items;
                    self.rejected += rejected;
                    taken.push(found);
                }
                Answer::Refused(Refused { action: Action::Retry { .. }, code, message }) => {
                    outcome = Err(io::Error::other(format!("the endpoint is not there: {code}: {message}")));
                    break;
                }
                Answer::Refused(Refused { code, message, .. }) => {
                    self.refused += 1;
                    let Letter { signal, items, .. } = found.letter;
                    writeln!(err, "{items} items of {signal} were refused: {code}: {}", plain(&message))?;
                }
            }
        }
        if !taken.is_empty() {
            file.take(&taken)?;
        }
        outcome
    }
}

/// Sends a letter, and again after a passing failure, but not for long: somebody waits.
async fn send(client: &impl Destination, letter: &Letter) -> Answer {
    let mut attempts = 1;
    loop {
        let answer = client.send(letter.signal, letter.payload.clone().into()).await;
        match &answer {
            Answer::Refused(Refused { action: Action::Retry { after }, .. }) if attempts < ATTEMPTS_MAX => {
                tokio::time::sleep(after.unwrap_or(PAUSE).min(PAUSE_MAX)).await;
                attempts += 1;
            }
            _ => return answer,
        }
    }
}

/// A peer's words on one line.
fn plain(text: &str) -> String {
    let short: String =
        text.chars().take(REASON_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(REASON_CHARS_MAX).is_some() { format!("{short}…") } else { short }
}

const ATTEMPTS_MAX: u32 = 4;
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(10);
const REASON_CHARS_MAX: usize = 120;

#[cfg(test)]
mod tests;

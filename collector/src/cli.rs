//! The command line: what may be typed, and the commands that need no running server.
//!
//! - **In:** arguments and the variables `PHASOR_CONFIG`, `PHASOR_DATA_DIR`, `PHASOR_API_KEY`.
//! - **Out:** an exit code: 0, 1 if the configuration is wrong or the command failed, 2 if the arguments are.
//! - **Not here:** what `run` and `smoke` do; [`Handlers`] brings that in.

mod completions;
mod components;
mod journal;
mod keys;
mod print_config;
mod print_schema;
mod validate;

use std::{
    ffi::OsString,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::config::{self, Loaded, Source, diagnostic::Diagnostics};

/// An OpenTelemetry collector for work that runs in phases.
#[derive(Debug, Parser)]
#[command(name = "phasor", version, max_term_width = 100)]
pub struct Cli {
    /// Configuration: a file, `file:PATH`, `yaml:TEXT` (its keys may be paths joined by `::`) or `env:NAME`, a
    /// variable that holds one. Give it again to merge further ones over it: mappings are merged key by key,
    /// everything else is replaced. Without one, the embedded default applies, which `phasor print-config` shows.
    #[arg(long, global = true, value_name = "CONFIG", env = "PHASOR_CONFIG", value_parser = clap::builder::OsStringValueParser::new())]
    config: Vec<OsString>,
    /// One value over all configurations, under keys joined by dots: `--set exporters.debug.verbosity=detailed`.
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Of the OpenTelemetry Collector, and without effect: there are no feature gates.
    #[arg(long, global = true, value_name = "GATES", allow_hyphen_values = true)]
    feature_gates: Vec<String>,
    /// Where the journal, the phase store and the first key are kept. Default: $XDG_STATE_HOME/phasor, else
    /// ~/.local/state/phasor; /var/lib/phasor for root.
    #[arg(long, global = true, value_name = "DIR", env = "PHASOR_DATA_DIR")]
    data_dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What to do; `run` if nothing is said.
#[derive(Debug, Subcommand)]
enum Command {
    /// Run the collector (the default).
    Run,
    /// Check the configuration, with the files it names, and tell everything that is wrong with it. Exits with 0 if
    /// it can be used, also with warnings, with 1 if it cannot, with 2 if the arguments are wrong.
    Validate(ValidateArgs),
    /// Show the configuration as it is understood, defaults written out, secrets left out.
    PrintConfig,
    /// Show the JSON schema of the configuration, for editors.
    PrintSchema,
    /// Print completions for a shell: `source <(phasor completions bash)`.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// List the components that a configuration may use.
    Components,
    /// Manage the API keys of the phase store, also while a server runs.
    #[command(subcommand)]
    Keys(Keys),
    /// Look into what is kept on disk, also while a server runs.
    #[command(subcommand)]
    Journal(journal::Journal),
    /// Play the reference scenario against a running server and check every number.
    Smoke(Smoke),
}

/// `phasor validate`
#[derive(Debug, Args)]
struct ValidateArgs {
    /// How the result is written.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// For people or for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Faults with excerpts on standard error.
    Text,
    /// One JSON object on standard output: `valid`, `pipelines`, and `diagnostics`, a list of objects with
    /// `severity`, `file`, `line`, `column`, `path`, `message` and `help`.
    Json,
}

/// `phasor keys ...`
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Keys {
    /// Make a key. It is shown once.
    Create(CreateKey),
    /// List the keys.
    List,
    /// Revoke a key: requests with it are refused from now on.
    Revoke {
        /// Its number, from `phasor keys list`.
        id: i64,
    },
}

/// `phasor keys create`
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct CreateKey {
    /// What it is for, for people: `ci of acme/shop`.
    #[arg(long, default_value = "")]
    pub name: String,
    /// The customer it belongs to; made if there is none of this name.
    #[arg(long, default_value = "default")]
    pub customer: String,
    /// What it may do.
    #[arg(long, value_enum, default_value_t = Role::Ingest)]
    pub role: Role,
    /// A repository owner it is good for; give it again for more. Without one, it is good for all.
    #[arg(long = "owner", value_name = "OWNER")]
    pub owners: Vec<String>,
}

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Store phases, events and pushes.
    Ingest,
    /// Read the tasks of its own customer.
    Read,
    /// Everything, of every customer.
    Operator,
}

/// `phasor smoke`
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Smoke {
    /// The application API.
    #[arg(long, default_value = "http://127.0.0.1:4000")]
    pub url: String,
    /// The Prometheus endpoint.
    #[arg(long, default_value = "http://127.0.0.1:4021/metrics")]
    pub metrics_url: String,
    /// A key that may store and read.
    #[arg(long, env = "PHASOR_API_KEY", hide_env_values = true)]
    pub api_key: String,
}

/// What the commands do that work with more than the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Handlers {
    /// Runs the collector until it is told to stop.
    pub run: fn(Loaded, &Path) -> ExitCode,
    /// Plays the reference scenario.
    pub smoke: fn(Smoke) -> ExitCode,
}

/// Reads the arguments, the first of which is the program's name, and does what they say.
pub fn run(args: impl IntoIterator<Item = OsString>, handlers: &Handlers) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Also the way of `--help` and `--version`, which are no failures.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
    if !cli.feature_gates.is_empty() {
        let _ = writeln!(err, "warning: --feature-gates has no effect: there are no feature gates");
    }
    let result = match cli.command.as_ref().unwrap_or(&Command::Run) {
        Command::Validate(args) => validate::validate(&cli.sources(), args.format, &mut out, &mut err),
        Command::PrintConfig => print_config::print_config(&cli.sources(), &mut out, &mut err),
        Command::PrintSchema => print_schema::print_schema(&mut out),
        Command::Completions { shell } => completions::completions(*shell, &mut out),
        Command::Components => components::components(&mut out),
        Command::Run => {
            drop((out, err));
            return match config::load(&cli.sources()).and_then(Loaded::with_sound_files) {
                Ok(loaded) => (handlers.run)(loaded, &cli.data_dir()),
                Err(diagnostics) => refuse(&diagnostics, &mut io::stderr().lock()),
            };
        }
        Command::Journal(command) => match config::load(&cli.sources()) {
            Ok(loaded) => journal::journal(command, &loaded.config, &cli.data_dir(), &mut out, &mut err),
            Err(diagnostics) => return refuse(&diagnostics, &mut err),
        },
        Command::Keys(command) => keys::keys(command, &cli.data_dir(), &mut out, &mut err),
        Command::Smoke(args) => {
            drop((out, err));
            return (handlers.smoke)(args.clone());
        }
    };
    // Nobody listens any more, as in `phasor components | head -1`.
    result.unwrap_or(ExitCode::FAILURE)
}

// === impl Cli ===

impl Cli {
    fn sources(&self) -> Vec<Source> {
        // An empty variable is one that is not set.
        let given = self.config.iter().filter(|given| !given.is_empty());
        let mut sources: Vec<_> = given.map(|given| Source::parse(given)).collect();
        if sources.is_empty() {
            sources.push(Source::Default);
        }
        sources.extend(self.set.iter().cloned().map(Source::Setting));
        sources
    }

    fn data_dir(&self) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(|| {
            let is_root = rustix::process::geteuid().is_root();
            default_data_dir(is_root, std::env::var_os("XDG_STATE_HOME"), std::env::var_os("HOME"))
        })
    }
}

/// The platform's state directory: XDG Base Directory Specification, *Environment variables*, for users; the
/// Filesystem Hierarchy Standard's `/var/lib` for root and for who has no home.
fn default_data_dir(is_root: bool, state_home: Option<OsString>, home: Option<OsString>) -> PathBuf {
    // The specification wants relative paths ignored.
    let absolute = |path: Option<OsString>| path.map(PathBuf::from).filter(|path| path.is_absolute());
    match (absolute(state_home), absolute(home)) {
        (Some(state), _) => state.join("phasor"),
        (None, Some(home)) if !is_root => home.join(".local/state/phasor"),
        _ => PathBuf::from("/var/lib/phasor"),
    }
}

fn refuse(diagnostics: &Diagnostics, err: &mut dyn Write) -> ExitCode {
    let _ = writeln!(err, "{diagnostics}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests;

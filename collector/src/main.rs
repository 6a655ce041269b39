//! The binary `phasor`: the command line over the library beside it.

use std::{path::Path, process::ExitCode};

use phasor_collector::{
    cli::{self, Handlers, Smoke},
    config::Loaded,
    service, smoke,
};

/// Many small allocations that move between threads are what it is good at. Built without huge pages: see
/// [`small_pages`].
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    small_pages();
    cli::run(std::env::args_os(), &Handlers { run, smoke: play })
}

fn run(loaded: Loaded, data_dir: &Path) -> ExitCode {
    in_runtime(service::run(loaded, data_dir))
}

fn play(arguments: Smoke) -> ExitCode {
    let Smoke { url, metrics_url, api_key } = arguments;
    let settings = smoke::Settings { url, metrics_url, api_key, patience: smoke::PATIENCE };
    in_runtime(async move {
        match smoke::play(&settings, &mut std::io::stdout()).await {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) | Err(_) => ExitCode::FAILURE,
        }
    })
}

/// Transparent huge pages would make each 2 MiB that is touched anywhere resident as a whole, and a budget in bytes
/// could not be kept. The allocator does not ask for them; this keeps systems from giving them unasked
/// (`transparent_hugepage/enabled` is `always`). Of no effect on kernels without them.
fn small_pages() {
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

fn in_runtime(work: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => {
            eprintln!("phasor: no threads to run on: {error}");
            ExitCode::FAILURE
        }
    }
}

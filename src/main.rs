//! `schoolyard`: see `schoolyard --help`.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use schoolyard::cli::Cli;
use schoolyard::commands;

/// Many small allocations for every request, on several threads: glibc's own costs a tenth of a request.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // First of all: every library that asks for the process's TLS provider gets the same one.
    if rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .is_err()
    {
        return ExitCode::FAILURE;
    }
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return end(&commands::Failure::Run(error.into())),
    };
    match runtime.block_on(commands::run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => end(&failure),
    }
}

fn end(failure: &commands::Failure) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "schoolyard: {failure}");
    failure.code()
}

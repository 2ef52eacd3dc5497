//! `postback completions SHELL`.

use clap::Command;
use clap_complete::Shell;

use super::output;
use crate::error::Result;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// Shell to complete for
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments, command: &mut Command) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, command, "postback", &mut script);
    output::write(|stdout| stdout.write_all(&script))
}

//! `completions` and `man`: what is made of the command line's own description.

use super::Cli;
use clap::CommandFactory as _;
use std::error::Error;
use std::io::{self, Write as _};

/// The program's name, whatever the file is called.
const NAME: &str = "ipowdm-agent";

/// Prints the completions of a shell.
pub(crate) fn completions(shell: clap_complete::Shell) -> Result<bool, Box<dyn Error>> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), NAME, &mut text);
    print(&text)
}

/// Prints the manual page: the program, then each of its commands.
#[cfg(feature = "man")]
pub(crate) fn man() -> Result<bool, Box<dyn Error>> {
    use clap_mangen::Man;

    let mut command = Cli::command();
    command.build();
    let mut text = Vec::new();
    Man::new(command.clone()).render(&mut text)?;
    let shown = |command: &&clap::Command| !matches!(command.get_name(), "help" | "man");
    for command in command.get_subcommands().filter(shown) {
        writeln!(text, ".SH COMMAND {}", command.get_name().to_uppercase())?;
        let page = Man::new(command.clone());
        page.render_synopsis_section(&mut text)?;
        page.render_description_section(&mut text)?;
        page.render_options_section(&mut text)?;
    }
    text.extend_from_slice(AFTERWORD.as_bytes());
    print(&text)
}

/// What the options do not say.
#[cfg(feature = "man")]
const AFTERWORD: &str = "\
.SH ENVIRONMENT
Settings come from a TOML file (\\fB\\-\\-config\\fR or \\fBIPOWDM_CONFIG\\fR) and, before it, from the variables that the README
lists; \\fBipowdm\\-agent configure\\fR writes a commented file.
.SH EXIT STATUS
0 where all is well, 1 where something is not, 2 where the command line or the settings cannot be used.
";

/// Whoever reads may have seen enough.
fn print(text: &[u8]) -> Result<bool, Box<dyn Error>> {
    match io::stdout().lock().write_all(text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(true),
    }
}

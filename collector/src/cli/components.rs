//! `phasor components`: what a configuration may use. What is only planned is left out; naming it in a configuration
//! is an error that says so.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use crate::config::names::{COMPONENTS, Class, Stability};

pub(super) fn components(out: &mut dyn Write) -> io::Result<ExitCode> {
    for (index, class) in Class::ALL.into_iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        writeln!(out, "{}:", class.section())?;
        let usable = COMPONENTS.iter().filter(|component| component.stability != Stability::Planned);
        for component in usable.filter(|component| component.class == class) {
            let (name, stability) = (component.name, component.stability.as_str());
            let mut line = format!("  {name:24} {stability:8} {:22}", component.signals());
            if !component.aliases.is_empty() {
                line.push_str(&format!(" also: {}", component.aliases.join(", ")));
            }
            writeln!(out, "{}", line.trim_end())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

//! `preflight`: whether this machine can run the full stack.

use std::path::Path;

use super::environment::{self, GROUPS, Kind};
use super::{Failure, say};
use crate::cli::Preflight;
use crate::preflight::{Finding, Level, Machine, System, Wanted, look};

/// Looks and says what it found.
///
/// # Errors
/// Exit code 1 when the stack would not run; 2 when the environment file cannot be used.
pub fn run(command: &Preflight) -> Result<(), Failure> {
    let file = match (&command.env_file, System.read(".env")) {
        (Some(path), _) => read(path)?,
        (None, Some(text)) => text,
        (None, None) => String::new(),
    };
    let wanted = wanted(&file, command)?;
    let findings = look(&System, &wanted);
    for finding in &findings {
        say(finding);
    }
    verdict(&findings)
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| {
        Failure::Usage(anyhow::anyhow!(
            "{} cannot be read: {error}",
            path.display()
        ))
    })
}

fn verdict(findings: &[Finding]) -> Result<(), Failure> {
    let failed = findings
        .iter()
        .filter(|finding| finding.level == Level::Fail)
        .count();
    if failed == 0 {
        say("the stack can run here");
        return Ok(());
    }
    Err(Failure::Run(anyhow::anyhow!(
        "{failed} of {} checks failed; the stack will not run here",
        findings.len()
    )))
}

/// What the environment file asks for: the image, and the ports of the file that is started.
fn wanted(file: &str, command: &Preflight) -> Result<Wanted, Failure> {
    let given = environment::read(file);
    let value = |name: &str| {
        let default = GROUPS
            .iter()
            .flat_map(|group| group.names)
            .find_map(|(known, kind)| match kind {
                Kind::Choice(value) if *known == name => Some(*value),
                _ => None,
            });
        given
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
            .or(default)
            .unwrap_or_default()
            .to_owned()
    };
    let mut names = vec!["SY_HTTP_PORT"];
    if command.local {
        names.extend(["SY_HTTPS_PORT", "SY_DASHBOARD_PORT", "SY_CONSUL_PORT"]);
    }
    let port = |name: &str| {
        let text = value(name);
        // `127.0.0.1:8081` publishes on one address only.
        let number = text.rsplit(':').next().unwrap_or_default().parse();
        number
            .map(|port| (name.to_owned(), port))
            .map_err(|_| Failure::Usage(anyhow::anyhow!("{name}={text} is no port")))
    };
    Ok(Wanted {
        image: command.image.clone().unwrap_or_else(|| value("SY_IMAGE")),
        ports: names.into_iter().map(port).collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(local: bool) -> Preflight {
        Preflight {
            env_file: None,
            image: None,
            local,
        }
    }

    #[test]
    fn ports_and_image_are_those_of_the_environment_file_or_its_defaults() {
        let found = wanted("SY_HTTP_PORT=127.0.0.1:8081\n# SY_IMAGE=x:1\nSY_IMAGE=\"registry.school/schoolyard:0.2.0\"\n", &command(false)).unwrap();
        assert_eq!(found.image, "registry.school/schoolyard:0.2.0");
        assert_eq!(found.ports, [("SY_HTTP_PORT".to_owned(), 8081)]);
        let found = wanted("", &command(true)).unwrap();
        assert_eq!(
            found.image,
            concat!("schoolyard:", env!("CARGO_PKG_VERSION"))
        );
        assert_eq!(
            found
                .ports
                .iter()
                .map(|(_, port)| *port)
                .collect::<Vec<_>>(),
            [80, 443, 8080, 8500]
        );
    }

    #[test]
    fn a_port_that_is_none_is_wrong_use_and_named() {
        let Err(Failure::Usage(error)) = wanted("SY_HTTP_PORT=web", &command(false)) else {
            panic!("it was taken")
        };
        assert_eq!(error.to_string(), "SY_HTTP_PORT=web is no port");
    }

    #[test]
    fn a_warning_does_not_end_it_and_a_failure_does() {
        let finding = |level| Finding {
            check: "x",
            level,
            found: String::new(),
            cure: "y".to_owned(),
        };
        assert!(verdict(&[finding(Level::Pass), finding(Level::Warn)]).is_ok());
        assert!(matches!(
            verdict(&[finding(Level::Warn), finding(Level::Fail)]),
            Err(Failure::Run(_))
        ));
    }
}

use std::error::Error;

/// An error and what caused it as one line for users: each said once, though many errors tell their
/// cause themselves, and without the numbers that the system has for them.
///
/// ```
/// let error = std::io::Error::from_raw_os_error(2);
/// # #[cfg(unix)]
/// assert_eq!(nca::internals::sentence(&error), "No such file or directory");
/// ```
pub fn sentence(error: &(dyn Error + 'static)) -> String {
    let mut said = without_numbers(&error.to_string());
    let mut cause = error.source();
    while let Some(error) = cause {
        let reason = without_numbers(&error.to_string());
        if !said.contains(&reason) {
            said = format!("{said}: {reason}");
        }
        cause = error.source();
    }
    said
}

/// Takes out what Rust writes after the system's words: ` (os error 2)`.
fn without_numbers(text: &str) -> String {
    const NUMBER: &str = " (os error ";
    let mut parts = text.split(NUMBER);
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(')') {
            Some((number, rest)) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                plain.push_str(rest);
            }
            _ => plain.extend([NUMBER, part]),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Told {
        #[error("cannot read a.pt: {source}")]
        Itself { source: io::Error },
        #[error("cannot read a.pt")]
        ByItsCause { source: io::Error },
    }

    #[test]
    fn a_cause_is_said_once() {
        let source = || io::Error::other("it is broken");
        for error in [
            Told::Itself { source: source() },
            Told::ByItsCause { source: source() },
        ] {
            assert_eq!(sentence(&error), "cannot read a.pt: it is broken");
        }
    }

    #[test]
    fn numbers_of_the_system_go() {
        assert_eq!(
            without_numbers("a: gone (os error 2); b: full (os error 28)"),
            "a: gone; b: full"
        );
        for text in ["", "x (os error", "x (os error y)", "x (os error 5"] {
            assert_eq!(without_numbers(text), text);
        }
    }
}

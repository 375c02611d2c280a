//! Kinds of things that people call by names.

/// What is called by a name that nothing has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no {what} {name:?}; there are {known}")]
#[non_exhaustive]
pub struct UnknownName {
    /// What was looked for: `backend`.
    pub what: &'static str,
    /// As it was given.
    pub name: String,
    /// The names that there are.
    pub known: String,
}

impl UnknownName {
    pub(crate) fn new(what: &'static str, name: &str, known: &[&str]) -> Self {
        Self {
            what,
            name: name.to_owned(),
            known: known.join(", "),
        }
    }
}

/// Gives the kinds of an enum their names, in both directions.
macro_rules! named {
    ($type:ident, $what:literal, $($kind:ident: $name:literal),+) => {
        impl $type {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$kind),+];

            /// The name that people use.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name),+
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::UnknownName;

            fn from_str(name: &str) -> Result<Self, $crate::UnknownName> {
                let mut all = Self::ALL.iter();
                let found = all.find(|kind| kind.name() == name).copied();
                found.ok_or_else(|| $crate::UnknownName::new($what, name, &[$($name),+]))
            }
        }
    };
}

pub(crate) use named;

#[cfg(test)]
mod tests {
    use crate::{Backend, Precision, Quality};

    #[test]
    fn names_are_read_as_they_are_written() {
        for backend in Backend::ALL {
            assert_eq!(backend.to_string().parse(), Ok(*backend));
        }
        for precision in Precision::ALL {
            assert_eq!(precision.to_string().parse(), Ok(*precision));
        }
        for quality in Quality::ALL {
            assert_eq!(quality.to_string().parse(), Ok(*quality));
        }
        assert_eq!(format!("{:>5}|", Backend::Cpu), "  cpu|");
        let error = "gpu".parse::<Backend>().unwrap_err();
        let said = "there is no backend \"gpu\"; there are auto, cpu, cuda, wgpu";
        assert_eq!(error.to_string(), said);
    }
}

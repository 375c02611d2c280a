//! Sizes of automata that have proved themselves.

use nca::model::{Architecture, Blur, Border, FilterScale, Playback, Source};

/// What an automaton is like, how it is run, and what it is trained on.
#[derive(Clone, Debug, PartialEq)]
pub struct Preset {
    /// Name that people use.
    pub name: &'static str,
    /// What it is.
    pub architecture: Architecture,
    /// How it is run.
    pub playback: Playback,
}

impl Preset {
    /// Names of all.
    pub const NAMES: [&str; 3] = ["live", "fine", "notebook"];

    /// The preset of this name.
    pub fn named(name: &str) -> Option<Self> {
        let small = |channels, hidden, blurs| Architecture {
            channels,
            source: Source::Rgb,
            hidden,
            border: Border::Replicate,
            // The filters' responses are of the size of the values themselves.
            filter_scale: FilterScale {
                sobel: 0.125,
                laplacian: 0.0625,
            },
            blurs,
            step_size: 1.0,
            cell: 1,
            painter: None,
        };
        let blur = |channel, size, sigma| Blur {
            channel,
            size,
            sigma,
        };
        match name {
            // Fast enough for 1280x720 on a laptop's processor.
            "live" => Some(Self {
                name: "live",
                architecture: small(12, vec![32], vec![blur(11, 7, 2.0)]),
                playback: Playback {
                    warmup: 24,
                    steps: 2,
                },
            }),
            // More of everything, for files and graphics cards.
            "fine" => Some(Self {
                name: "fine",
                architecture: small(16, vec![80], vec![blur(14, 15, 4.0), blur(15, 7, 2.0)]),
                playback: Playback {
                    warmup: 32,
                    steps: 3,
                },
            }),
            // The published training notebooks'.
            "notebook" => Some(Self {
                name: "notebook",
                architecture: Architecture::notebook(),
                playback: Playback::default(),
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_can_be_run() {
        for name in Preset::NAMES {
            let preset = Preset::named(name).unwrap();
            assert_eq!(preset.name, name);
            preset.architecture.validate().unwrap();
        }
    }
}

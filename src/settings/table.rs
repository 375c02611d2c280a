use std::borrow::Cow;

use super::{Change, Choice, Kind, Setting, Value};
use crate::engine::STROKES;
use crate::stylizer::DEFAULT_CUT_THRESHOLD;

/// What most settings have, for those that say only what is different.
const USUAL: Setting = Setting {
    name: "",
    label: "",
    help: "",
    kind: Kind::Switch,
    default: Value::Unset,
    unset: None,
    change: Change::AtOnce,
    on_change: None,
    for_pictures: None,
    for_pipelines: false,
};

/// Most steps at once: what takes longer is not restyled, it hangs.
const STEPS: Kind = Kind::Whole {
    least: 0,
    most: 1024,
};

const fn text(text: &'static str) -> Value {
    Value::Text(Cow::Borrowed(text))
}

/// All settings, in the order in which people look for them.
pub static TABLE: &[Setting] = &[
    Setting {
        name: "model",
        label: "Model",
        help: "Bundled model (sketch, wave, starry-night) or path of a model file (.pt, .safetensors)",
        kind: Kind::Text {
            metavar: "NAME|FILE",
        },
        unset: Some("sketch"),
        on_change: Some("A change is read aside and takes over between two frames"),
        ..USUAL
    },
    Setting {
        name: "steps",
        label: "Steps",
        help: "Steps of the automaton on every frame; 0: the state is shown unchanged",
        kind: STEPS,
        unset: Some("the model's own"),
        change: Change::EveryFrame,
        for_pictures: Some("For a picture: steps in all"),
        ..USUAL
    },
    Setting {
        name: "warmup",
        label: "Warm-up",
        help: "Steps of the automaton on the first frame and after every reset",
        kind: STEPS,
        unset: Some("the model's own"),
        ..USUAL
    },
    Setting {
        name: "strength",
        label: "Strength",
        help: "Mix with the original: 0 shows the original, 1 the automaton's picture",
        kind: Kind::Number {
            least: 0.0,
            most: 1.0,
        },
        default: Value::Number(1.0),
        change: Change::EveryFrame,
        ..USUAL
    },
    Setting {
        name: "scale",
        label: "Scale",
        help: "Size of the picture that the automaton runs on, relative to the frame: smaller is faster, with \
               coarser strokes",
        kind: Kind::Number {
            least: 0.1,
            most: 1.0,
        },
        default: Value::Number(1.0),
        on_change: Some("A change starts the state anew"),
        ..USUAL
    },
    Setting {
        name: "stroke",
        label: "Stroke",
        help: "Size of the strokes relative to the model's own. Only models with a painter have such \
               strokes; with others nothing changes",
        kind: Kind::Number {
            least: STROKES[0] as f64,
            most: STROKES[1] as f64,
        },
        default: Value::Number(1.0),
        change: Change::EveryFrame,
        on_change: Some("A change resamples the state"),
        ..USUAL
    },
    Setting {
        name: "interval",
        label: "Interval",
        help: "Run the automaton on every Nth frame only, which is faster; on those between its state is moved \
               along, or without motion shown again",
        kind: Kind::Whole {
            least: 1,
            most: u32::MAX as i128,
        },
        default: Value::Whole(1),
        change: Change::EveryFrame,
        ..USUAL
    },
    Setting {
        name: "seed",
        label: "Seed",
        help: "Seed of the noise that the state starts from",
        kind: Kind::Whole {
            least: 0,
            most: u64::MAX as i128,
        },
        default: Value::Whole(0),
        on_change: Some("A change takes effect with the next reset"),
        ..USUAL
    },
    Setting {
        name: "motion",
        label: "Motion",
        help: "Whether the state is moved along with what moves in the picture",
        kind: Kind::Choice {
            choices: &[
                Choice {
                    name: "off",
                    label: "Off",
                    help: "the style stays where it is on the screen",
                },
                Choice {
                    name: "flow",
                    label: "Flow",
                    help: "the style moves with the picture",
                },
            ],
        },
        default: text("flow"),
        ..USUAL
    },
    Setting {
        name: "motion-quality",
        label: "Motion quality",
        help: "How carefully motion is measured",
        kind: Kind::Choice {
            choices: &[
                Choice {
                    name: "fast",
                    label: "Fast",
                    help: "well enough for most video",
                },
                Choice {
                    name: "balanced",
                    label: "Balanced",
                    help: "four to five times the time of fast",
                },
                Choice {
                    name: "fine",
                    label: "Fine",
                    help: "about six times the time of fast",
                },
            ],
        },
        default: text("fast"),
        ..USUAL
    },
    Setting {
        name: "reset-on-cut",
        label: "Reset on cut",
        help: "Start the state anew on a hard cut; without this, only where it cannot be moved along",
        kind: Kind::Switch,
        default: Value::Switch(true),
        ..USUAL
    },
    Setting {
        name: "cut-threshold",
        label: "Cut threshold",
        help: "How different two frames must be for a cut: from 0 (any change is one) to 1 (nothing is)",
        kind: Kind::Number {
            least: 0.0,
            most: 1.0,
        },
        default: Value::Number(DEFAULT_CUT_THRESHOLD),
        ..USUAL
    },
    Setting {
        name: "backend",
        label: "Backend",
        help: "What runs the automaton; only auto falls back to another",
        kind: Kind::Choice {
            choices: &[
                Choice {
                    name: "auto",
                    label: "Auto",
                    help: "the fastest that this machine has",
                },
                Choice {
                    name: "cpu",
                    label: "CPU",
                    help: "the processor",
                },
                Choice {
                    name: "cuda",
                    label: "CUDA",
                    help: "an NVIDIA card, through its driver",
                },
                Choice {
                    name: "wgpu",
                    label: "WGPU",
                    help: "a graphics processor, through Vulkan, Metal or Direct3D 12",
                },
            ],
        },
        default: text("auto"),
        change: Change::WithTheNextStart,
        ..USUAL
    },
    Setting {
        name: "device",
        label: "Device",
        help: "Which of several devices of the backend, by index or part of the name; the cpu backend has \
               none to choose from",
        kind: Kind::Text {
            metavar: "INDEX|NAME",
        },
        unset: Some("the first"),
        change: Change::WithTheNextStart,
        ..USUAL
    },
    Setting {
        name: "threads",
        label: "Threads",
        help: "Threads of the cpu backend, and of what else is done on the processor",
        kind: Kind::Whole {
            least: 1,
            most: 1024,
        },
        unset: Some("one for each core"),
        change: Change::WithTheNextStart,
        ..USUAL
    },
    Setting {
        name: "precision",
        label: "Precision",
        help: "What values and weights are rounded to where they are multiplied; half is an error where \
               the device does not have it",
        kind: Kind::Choice {
            choices: &[
                Choice {
                    name: "full",
                    label: "Full",
                    help: "32 bits, the same on every machine",
                },
                Choice {
                    name: "half",
                    label: "Half",
                    help: "16 bits, faster where the device has it",
                },
            ],
        },
        default: text("full"),
        change: Change::WithTheNextStart,
        ..USUAL
    },
    Setting {
        name: "stats-interval",
        label: "Statistics interval",
        help: "Milliseconds between element messages with the statistics, posted as frames pass; 0: none",
        kind: Kind::Whole {
            least: 0,
            most: u32::MAX as i128,
        },
        default: Value::Whole(0),
        for_pipelines: true,
        ..USUAL
    },
];

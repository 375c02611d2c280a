//! The settings of the automaton as options of the command line, in files, and in which order they win.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, Error, FromArgMatches};
use nca::settings::{Choice, Kind, Setting, Settings, TABLE, Value};

use crate::output::Output;

/// What `--motion` says unless it is given: a film may take its time.
const MOTION: &str = "balanced";

/// Settings that have options of their own here, which say the same in the words of those who restyle films.
const IN_OTHER_WORDS: [&str; 3] = ["motion", "motion-quality", "reset-on-cut"];

/// What the automaton does.
#[derive(Clone, Debug, Default)]
pub struct Style {
    /// Those that were given; what they leave open is as the element has it by default.
    pub settings: Settings,
    file: Option<PathBuf>,
    save: Option<PathBuf>,
}

impl Style {
    /// Takes the file of settings into account. Options win over the file, and the file over what this
    /// program does by default.
    pub fn complete(&mut self) -> Result<()> {
        let mut settings = Settings::default();
        set(&mut settings, "motion-quality", MOTION);
        if let Some(file) = &self.file {
            settings.take(&Settings::read(file)?);
        }
        settings.take(&self.settings);
        self.settings = settings;
        Ok(())
    }

    /// The file that the settings are to be saved to, if any.
    pub fn saved_to(&self) -> Option<&Path> {
        self.save.as_deref()
    }

    /// Writes the settings to the file that they are to be saved to, if any.
    pub fn save(&self, overwrite: bool) -> Result<()> {
        let Some(file) = &self.save else {
            return Ok(());
        };
        // Else a slip of the hand could replace a film.
        if file.extension().is_none_or(|extension| extension != "json") {
            bail!(
                "{} cannot be written: the name of a file of settings must end in .json",
                file.display()
            );
        }
        let output = Output::begin(file, overwrite)?;
        std::fs::write(output.path(), self.settings.to_json(file))
            .with_context(|| format!("{} cannot be written", file.display()))?;
        output.finish()
    }
}

/// Sets a setting to a choice or text that it is known to have.
fn set(settings: &mut Settings, name: &str, text: &str) {
    let set = settings.set(name, Value::Text(text.to_owned().into()));
    set.expect("the table has it");
}

/// Those of the table that have an option of their name.
fn with_option() -> impl Iterator<Item = &'static Setting> {
    let has_option =
        |setting: &&Setting| !setting.for_pipelines && !IN_OTHER_WORDS.contains(&setting.name);
    TABLE.iter().filter(has_option)
}

fn option(setting: &'static Setting) -> Arg {
    let for_pictures = setting.for_pictures.map(|sentence| format!(". {sentence}"));
    let range = setting.range().map(|range| format!("{range}, "));
    let default = match setting.unset {
        Some(means) => means.to_owned(),
        None => setting.default.to_string(),
    };
    let help = format!(
        "{}{} [{}default: {default}]",
        setting.help,
        for_pictures.unwrap_or_default(),
        range.unwrap_or_default(),
    );
    let option = Arg::new(setting.name)
        .long(setting.name)
        .help(help)
        .hide_default_value(true);
    let option = match setting.kind {
        Kind::Choice { choices } => option
            .value_name(setting.name.to_uppercase())
            .value_parser(one_of(choices).map(|name| Value::Text(name.into()))),
        kind => {
            let metavar = match kind {
                Kind::Number { .. } => "X",
                Kind::Text { metavar } => metavar,
                _ => "N",
            };
            let parse = |text: &str| {
                let value = setting.parse(text);
                value.map_err(|_| format!("{} is needed", setting.needed()))
            };
            option.value_name(metavar).value_parser(parse)
        }
    };
    let option = match setting.name {
        "model" => option.short('m'),
        _ => option,
    };
    match &setting.default {
        Value::Unset => option,
        default => option.default_value(default.to_string()),
    }
}

fn one_of(choices: &[Choice]) -> PossibleValuesParser {
    let values = choices.iter();
    values
        .map(|choice| PossibleValue::new(choice.name).help(choice.help))
        .collect::<Vec<_>>()
        .into()
}

impl clap::Args for Style {
    fn augment_args(command: Command) -> Command {
        let command = command
            .next_help_heading("Style")
            .arg(file(
                "settings",
                "File of settings (.json) to begin with; the options given here win over it",
            ))
            .arg(file(
                "save-settings",
                "File (.json) to write the settings to, those of --settings and those given here; nothing need be \
                 restyled then",
            ))
            .args(with_option().map(option));
        let qualities = Setting::named("motion-quality").expect("the table has it");
        let Kind::Choice { choices } = qualities.kind else {
            unreachable!("it is a choice");
        };
        let off = PossibleValue::new("off").help("the style stays where it is on the screen");
        let motions = choices
            .iter()
            .map(|choice| PossibleValue::new(choice.name).help(choice.help));
        let motions: Vec<_> = [off].into_iter().chain(motions).collect();
        command
            .arg(
                Arg::new("motion")
                    .long("motion")
                    .value_name("M")
                    .help(
                        "How carefully the motion of the picture is measured, so that the style moves with \
                         it: fast is the quickest, fine the best; off: the style stays where it is on the \
                         screen",
                    )
                    .value_parser(PossibleValuesParser::new(motions))
                    .default_value(MOTION),
            )
            .arg(
                Arg::new("ignore-cuts")
                    .long("ignore-cuts")
                    .value_name("BOOL")
                    .help("Keep the style at hard cuts; without this it is reset there")
                    .value_parser(clap::value_parser!(bool))
                    .num_args(0..=1)
                    .require_equals(true)
                    .hide_possible_values(true)
                    .default_missing_value("true"),
            )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn file(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .value_name("FILE")
        .help(help)
        .value_parser(clap::value_parser!(PathBuf))
}

impl FromArgMatches for Style {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut settings = Settings::default();
        for setting in with_option() {
            if is_given(matches, setting.name)
                && let Some(value) = matches.get_one::<Value>(setting.name)
            {
                let set = settings.set(setting.name, value.clone());
                set.expect("it was checked when it was read");
            }
        }
        if is_given(matches, "motion") {
            match matches.get_one::<String>("motion").map(String::as_str) {
                Some("off") => set(&mut settings, "motion", "off"),
                quality => {
                    set(&mut settings, "motion", "flow");
                    set(&mut settings, "motion-quality", quality.unwrap_or(MOTION));
                }
            }
        }
        if let Some(ignored) = matches.get_one("ignore-cuts") {
            let ignored: &bool = ignored;
            let set = settings.set("reset-on-cut", Value::Switch(!ignored));
            set.expect("it is a switch");
        }
        let path = |name| matches.get_one::<PathBuf>(name).cloned();
        Ok(Self {
            settings,
            file: path("settings"),
            save: path("save-settings"),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn is_given(matches: &ArgMatches, name: &str) -> bool {
    matches.value_source(name) == Some(ValueSource::CommandLine)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::args::Args;

    fn style(options: &[&str]) -> Result<Style, clap::Error> {
        let args = [&["nca-restyle"], options, &["in", "out"]].concat();
        Args::try_parse_from(args).map(|args| args.style)
    }

    #[test]
    fn every_setting_about_pictures_has_an_option() {
        let command = Args::command();
        let has_option = |name: &str| {
            command
                .get_arguments()
                .any(|arg| arg.get_long() == Some(name))
        };
        for setting in TABLE {
            let name = setting.name;
            let is_said_otherwise = ["motion-quality", "reset-on-cut"].contains(&name);
            let expected = !setting.for_pipelines && !is_said_otherwise;
            assert_eq!(has_option(name), expected, "{name}");
        }
        assert!(has_option("ignore-cuts"));
    }

    #[test]
    fn options_say_what_the_table_says() {
        let command = Args::command();
        for setting in with_option() {
            let name = setting.name;
            let option = command.get_arguments().find(|arg| arg.get_id() == name);
            let option = option.unwrap();
            let help = option.get_help().unwrap().to_string();
            assert!(help.starts_with(setting.help), "{help}");
            let default = match setting.unset {
                Some(means) => means.to_owned(),
                None => {
                    let value = option.get_default_values()[0].to_str().unwrap();
                    assert_eq!(
                        setting.parse(value).as_ref(),
                        Ok(&setting.default),
                        "{name}"
                    );
                    value.to_owned()
                }
            };
            assert!(help.ends_with(&format!("default: {default}]")), "{help}");
            if let Kind::Choice { choices } = setting.kind {
                let found = option.get_possible_values();
                let found: Vec<_> = found.iter().map(PossibleValue::get_name).collect();
                let names: Vec<_> = choices.iter().map(|choice| choice.name).collect();
                assert_eq!(found, names);
            }
        }
    }

    #[test]
    fn values_are_those_of_the_table() {
        for setting in with_option() {
            let name = setting.name;
            let (right, wrong): (Vec<String>, Vec<String>) = match setting.kind {
                Kind::Number { least, most } => (
                    [least, most].map(|value| value.to_string()).into(),
                    ["NaN", "inf", "much", ""]
                        .map(str::to_owned)
                        .into_iter()
                        .chain([least - 0.01, most + 0.01].map(|value| value.to_string()))
                        .collect(),
                ),
                Kind::Whole { least, most } => (
                    [least, most].map(|value| value.to_string()).into(),
                    ["1.5", "many", ""]
                        .map(str::to_owned)
                        .into_iter()
                        .chain([least - 1, most + 1].map(|value| value.to_string()))
                        .collect(),
                ),
                Kind::Choice { choices } => (
                    choices
                        .iter()
                        .map(|choice| choice.name.to_owned())
                        .collect(),
                    ["other", ""].map(str::to_owned).into(),
                ),
                _ => (vec!["some text".to_owned()], vec![]),
            };
            for value in right {
                let style = style(&[&format!("--{name}={value}")]).unwrap();
                let given: Vec<_> = style.settings.iter().collect();
                let expected = setting.parse(&value).unwrap();
                assert_eq!(given.len(), 1, "{name}={value}");
                assert_eq!((given[0].0.name, given[0].1), (name, &expected));
            }
            for value in wrong {
                let error = style(&[&format!("--{name}={value}")])
                    .expect_err(name)
                    .to_string();
                let says_what_would_be_right = error.contains(&setting.needed())
                    || error.contains("possible values")
                    || value.is_empty();
                assert!(says_what_would_be_right, "{error}");
            }
        }
        assert!(style(&[]).unwrap().settings.iter().next().is_none());
    }

    #[test]
    fn motion_and_cuts_in_their_own_words() {
        let given = |options: &[&str]| {
            let settings = style(options).unwrap().settings;
            let given = settings
                .iter()
                .map(|(setting, value)| format!("{}={value}", setting.name));
            given.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(given(&["--motion", "off"]), "motion=off");
        assert_eq!(
            given(&["--motion", "fine"]),
            "motion=flow motion-quality=fine"
        );
        assert_eq!(
            given(&["--motion", "balanced"]),
            "motion=flow motion-quality=balanced"
        );
        assert_eq!(given(&["--ignore-cuts"]), "reset-on-cut=false");
        assert_eq!(given(&["--ignore-cuts=false"]), "reset-on-cut=true");
        assert!(style(&["--motion", "flow"]).is_err());
        let mut alone = style(&[]).unwrap();
        alone.complete().unwrap();
        assert_eq!(alone.settings.text("motion-quality"), Some(MOTION));
        let command = Args::command();
        let motion = command.get_arguments().find(|arg| arg.get_id() == "motion");
        assert_eq!(motion.unwrap().get_default_values(), [MOTION]);
    }

    /// Options win over the file, and the file over what is taken unless something is said.
    #[test]
    fn the_order_of_winning() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("look.json");
        let settings = r#"{"version": 1, "settings": {"strength": 0.5, "scale": 0.5, "steps": 3,
            "motion-quality": "fine", "reset-on-cut": false, "stats-interval": 5}}"#;
        std::fs::write(&file, settings).unwrap();
        let file = file.to_str().unwrap();
        let mut of_the_file = style(&["--settings", file]).unwrap();
        of_the_file.complete().unwrap();
        assert_eq!(
            of_the_file.settings,
            Settings::read(Path::new(file)).unwrap()
        );
        // What equals the default is said all the same.
        let options = [
            "--scale",
            "1",
            "--settings",
            file,
            "--motion",
            "fast",
            "--ignore-cuts=false",
        ];
        let mut both = style(&options).unwrap();
        both.complete().unwrap();
        let options = both.settings.options();
        assert_eq!(
            (options.strength, options.scale, options.steps),
            (0.5, 1.0, Some(3))
        );
        assert_eq!(options.motion, Some(nca::motion::Quality::Fast));
        assert!(options.cut_threshold.is_some());
    }

    #[test]
    fn every_option_is_in_the_manual() {
        let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/restyle.md");
        let manual = std::fs::read_to_string(manual).unwrap();
        let mut command = Args::command();
        command.build();
        for option in command.get_arguments().filter_map(clap::Arg::get_long) {
            let is_clear = ["help", "version"].contains(&option);
            assert!(
                is_clear || manual.contains(&format!("--{option}")),
                "--{option} is not in the manual"
            );
        }
    }
}

//! The settings of the automaton as options of the command line, in files, and in which order they win.

use std::path::PathBuf;

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

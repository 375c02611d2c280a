//! The table of settings, values, and files of them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use nca::engine::{Backend, Precision, STROKES, Selection};
use nca::model::Model;
use nca::motion::Quality;
use nca::settings::{Change, Kind, Setting, Settings, TABLE, Value};
use nca::stylizer::{DEFAULT_CUT_THRESHOLD, Options};
use proptest::prelude::*;

fn choices(name: &str) -> Vec<&'static str> {
    match Setting::named(name).unwrap().kind {
        Kind::Choice { choices } => choices.iter().map(|choice| choice.name).collect(),
        kind => panic!("{name} is {kind:?}"),
    }
}

#[test]
fn every_entry_is_whole() {
    let mut names = BTreeSet::new();
    for setting in TABLE {
        let name = setting.name;
        assert!(names.insert(name), "{name} is there twice");
        assert!(
            name.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'-'),
            "{name}"
        );
        assert!(!setting.label.is_empty(), "{name}");
        let words = [Some(setting.help), setting.on_change, setting.for_pictures];
        for words in words.into_iter().flatten() {
            assert!(words.starts_with(char::is_uppercase), "{name}: {words}");
            assert!(
                !words.ends_with('.') && !words.contains("  "),
                "{name}: {words}"
            );
        }
        let default = setting.default.clone();
        assert_eq!(setting.check(default.clone()), Ok(default), "{name}");
        assert_eq!(
            setting.unset.is_some(),
            setting.default == Value::Unset,
            "{name}"
        );
        if let Kind::Choice { choices } = setting.kind {
            assert!(
                choices.iter().all(|choice| !choice.help.is_empty()),
                "{name}"
            );
        }
    }
}

#[test]
fn the_table_agrees_with_the_library() {
    let defaults = Settings::default();
    let mut options = Options::default();
    options.cut_threshold = Some(DEFAULT_CUT_THRESHOLD);
    assert_eq!(defaults.options(), options);
    assert_eq!(defaults.selection(), Selection::default());
    let backends = Backend::ALL.iter().map(|backend| backend.name());
    assert!(backends.eq(choices("backend")));
    let precisions = Precision::ALL.iter().map(|precision| precision.name());
    assert!(precisions.eq(choices("precision")));
    let qualities = Quality::ALL.iter().map(|quality| quality.name());
    assert!(qualities.eq(choices("motion-quality")));
    let model = Setting::named("model").unwrap();
    for name in Model::bundled_names() {
        assert!(model.help.contains(name), "{name}");
    }
    assert_eq!(model.unset, Model::bundled_names().next());
    let [least, most] = STROKES.map(f64::from);
    assert_eq!(
        Setting::named("stroke").unwrap().kind,
        Kind::Number { least, most }
    );
}

#[test]
fn values_become_what_frames_are_restyled_with() {
    let mut settings = Settings::default();
    for (name, text) in [
        ("steps", "3"),
        ("warmup", "1024"),
        ("strength", "0.25"),
        ("scale", "0.5"),
        ("stroke", "2"),
        ("interval", "4294967295"),
        ("seed", "18446744073709551615"),
        ("motion-quality", "fine"),
        ("cut-threshold", "0.75"),
        ("backend", "wgpu"),
        ("device", "1"),
        ("threads", "7"),
        ("precision", "half"),
    ] {
        let value = Setting::named(name).unwrap().parse(text).unwrap();
        settings.set(name, value).unwrap();
    }
    let mut options = Options::default();
    options.steps = Some(3);
    options.warmup = Some(1024);
    options.strength = 0.25;
    options.scale = 0.5;
    options.stroke = 2.0;
    options.interval = u32::MAX;
    options.motion = Some(Quality::Fine);
    options.cut_threshold = Some(0.75);
    options.seed = u64::MAX;
    assert_eq!(settings.options(), options);
    let mut selection = Selection::from(Backend::Wgpu);
    selection.device = Some("1".into());
    selection.threads = 7;
    selection.precision = Precision::Half;
    assert_eq!(settings.selection(), selection);
    settings.set("motion", Value::Text("off".into())).unwrap();
    settings.set("reset-on-cut", Value::Switch(false)).unwrap();
    let options = settings.options();
    assert_eq!((options.motion, options.cut_threshold), (None, None));
}

/// Values at both ends of every range, all choices, and what is left open.
fn extremes(setting: &Setting) -> Vec<Value> {
    let mut values = match setting.kind {
        Kind::Number { least, most } => [least, most, least + (most - least) / 3.0]
            .map(Value::Number)
            .to_vec(),
        Kind::Whole { least, most } => [least, most].map(Value::Whole).to_vec(),
        Kind::Switch => [false, true].map(Value::Switch).to_vec(),
        Kind::Choice { choices } => choices
            .iter()
            .map(|choice| Value::Text(choice.name.into()))
            .collect(),
        Kind::Text { .. } => ["wave", "\"quotes\"\nand a line", "\u{1f3a8}"]
            .map(|text| Value::Text(text.into()))
            .to_vec(),
    };
    if setting.unset.is_some() {
        values.push(Value::Unset);
    }
    values
}

#[test]
fn what_is_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("look.json");
    let check = |settings: &Settings| {
        fs::write(&path, settings.to_json(&path)).unwrap();
        assert_eq!(&Settings::read(&path).unwrap(), settings);
    };
    check(&Settings::default());
    let mut all = Settings::default();
    for setting in TABLE {
        for value in extremes(setting) {
            let mut one = Settings::default();
            one.set(setting.name, value.clone()).unwrap();
            check(&one);
            all.set(setting.name, value).unwrap();
            check(&all);
        }
    }
    assert_eq!(all.iter().count(), TABLE.len());
}

#[test]
fn values_are_taken_over_where_they_are_given() {
    let with = |values: &[(&str, f64)]| {
        let mut settings = Settings::default();
        for (name, value) in values {
            settings.set(name, Value::Number(*value)).unwrap();
        }
        settings
    };
    let mut settings = with(&[("strength", 0.5), ("scale", 0.5)]);
    settings.take(&with(&[("scale", 1.0), ("stroke", 2.0)]));
    assert_eq!(
        settings,
        with(&[("strength", 0.5), ("scale", 1.0), ("stroke", 2.0)])
    );
}

/// A model in the folder of the file may move with it.
#[test]
fn where_a_model_is_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("look.json");
    let written = |model: &Path| {
        let mut settings = Settings::default();
        let model = model.to_str().unwrap().to_owned();
        settings.set("model", Value::Text(model.into())).unwrap();
        let json: serde_json::Value = serde_json::from_str(&settings.to_json(&path)).unwrap();
        fs::write(&path, settings.to_json(&path)).unwrap();
        let read = Settings::read(&path).unwrap();
        let written = json["settings"]["model"].as_str().unwrap().to_owned();
        (written, PathBuf::from(read.text("model").unwrap()))
    };
    let beside = folder.path().join("my.pt");
    assert_eq!(written(&beside), ("my.pt".to_owned(), beside));
    let below = folder.path().join("models").join("my.pt");
    assert_eq!(written(&below).1, below);
    // Without its folder it would be the name of a bundled model.
    let nameless = folder.path().join("wave");
    assert_eq!(written(&nameless).1, nameless);
    let elsewhere = std::path::absolute("elsewhere/my.pt").unwrap();
    assert_eq!(written(Path::new("elsewhere/my.pt")).1, elsewhere);
    let bundled = written(Path::new("wave"));
    assert_eq!(bundled, ("wave".to_owned(), PathBuf::from("wave")));
}

/// What is said of a file with this content, without its path.
fn refused(content: impl AsRef<[u8]>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("look.json");
    fs::write(&path, content).unwrap();
    let error = Settings::read(&path).expect_err("it is read").to_string();
    assert!(error.len() < 800 && !error.contains('\n'), "{error}");
    let prefix = format!("cannot read the settings {}: ", path.display());
    error
        .strip_prefix(&prefix)
        .unwrap_or_else(|| panic!("{error}"))
        .to_owned()
}

/// A file with these settings.
fn file(settings: &str) -> String {
    format!("{{\n  \"version\": 1,\n  \"settings\": {{{settings}}}\n}}\n")
}

#[test]
fn values_that_cannot_be_are_refused() {
    for (settings, said) in [
        (
            r#""strength": 2"#,
            "strength is 2; a number from 0 to 1 is needed",
        ),
        (
            r#""strength": -1e300"#,
            "strength is -1e+300; a number from 0 to 1 is needed",
        ),
        (
            r#""strength": "0.5""#,
            "strength is \"0.5\"; a number from 0 to 1 is needed",
        ),
        (
            r#""strength": null"#,
            "strength is null; a number from 0 to 1 is needed",
        ),
        (
            r#""strength": [1]"#,
            "strength is a list; a number from 0 to 1 is needed",
        ),
        (
            r#""strength": {"a": 1}"#,
            "strength is an object; a number from 0 to 1 is needed",
        ),
        (
            r#""scale": 0"#,
            "scale is 0; a number from 0.1 to 1 is needed",
        ),
        (
            r#""stroke": 4.01"#,
            "stroke is 4.01; a number from 0.5 to 4 is needed",
        ),
        (
            r#""steps": -1"#,
            "steps is -1; a whole number from 0 to 1024, or null for the model's own, is needed",
        ),
        (
            r#""steps": 1.5"#,
            "steps is 1.5; a whole number from 0 to 1024, or null for the model's own, is needed",
        ),
        (
            r#""interval": 4294967296"#,
            "interval is 4294967296; a whole number from 1 to 4294967295 is needed",
        ),
        (
            r#""seed": 18446744073709551616"#,
            "seed is 1.8446744073709552e+19; a whole number from 0 to 18446744073709551615 is needed",
        ),
        (
            r#""reset-on-cut": 1"#,
            "reset-on-cut is 1; true or false is needed",
        ),
        (
            r#""motion": true"#,
            "motion is true; one of off, flow is needed",
        ),
        (
            r#""motion": "on""#,
            "motion is \"on\"; one of off, flow is needed",
        ),
        (
            r#""model": 5"#,
            "model is 5; a text, or null for sketch, is needed",
        ),
        (
            r#""model": "a\u0000b""#,
            "model is \"a\\0b\"; a text, or null for sketch, is needed",
        ),
        (
            r#""strenght": 1"#,
            "there is no setting \"strenght\"; there are model, steps, warmup, strength, scale, stroke, \
             interval, seed, motion, motion-quality, reset-on-cut, cut-threshold, backend, device, threads, \
             precision, stats-interval",
        ),
        (
            r#""scale": 1, "scale": 1"#,
            "\"scale\" is there twice; once is needed",
        ),
    ] {
        assert_eq!(refused(file(settings)), format!("line 3: {said}"));
    }
    let long = "x".repeat(50_000);
    for settings in [
        format!("\"{long}\": 1"),
        format!("\"motion\": \"{long}\""),
        format!("\"strength\": \"{long}\""),
        format!("\"strength\": {}", "9".repeat(300)),
    ] {
        refused(file(&settings));
    }
    // How the empty text is left open by those who can leave nothing out.
    let model = Setting::named("model").unwrap();
    assert_eq!(model.check(Value::Text("".into())), Ok(Value::Unset));
}

#[test]
fn what_is_no_file_of_settings_is_refused() {
    let deep = |open: &str| file(&format!("\"model\": {}", open.repeat(10_000)));
    let long = "x".repeat(50_000);
    let newline = "{\"version\": 1, \"settings\": {}, \"a\\nb\": 1}";
    for (content, words) in [
        (String::new(), "line 1: a file of settings is {"),
        ("\0\0\0\0".into(), "line 1: a file of settings is {"),
        ("strength = 1".into(), "line 1: a file of settings is {"),
        ("[1, {}]".into(), "line 1: a file of settings is {"),
        ("{".into(), "line 1: this is not JSON: EOF"),
        ("{}".into(), "missing field `version`"),
        ("{\"version\": 1}".into(), "missing field `settings`"),
        ("{\"settings\": {}}".into(), "missing field `version`"),
        (
            "{\"version\": 2, \"settings\": {\"new\": 1}}".into(),
            "line 1: the version is 2; this program reads version 1",
        ),
        (
            "{\"version\": \"1\", \"settings\": {}}".into(),
            "expected u64",
        ),
        (
            "{\"version\": 1.5, \"settings\": {}}".into(),
            "expected u64",
        ),
        ("{\"version\": -1, \"settings\": {}}".into(), "expected u64"),
        (
            "{\"version\": 1, \"version\": 1, \"settings\": {}}".into(),
            "duplicate field `version`",
        ),
        (
            "{\"version\": 1, \"settings\": {}, \"settings\": {}}".into(),
            "duplicate field `settings`",
        ),
        (
            "{\"version\": 1, \"settings\": {}, \"x\": 1}".into(),
            "unknown field `x`, expected `version` or `settings`",
        ),
        (newline.into(), "unknown field"),
        (
            format!("{{\"version\": 1, \"{long}\": 1}}"),
            "unknown field",
        ),
        (format!("{{\"version\": \"{long}\"}}"), "invalid type"),
        (
            "{\"version\": 1, \"settings\": []}".into(),
            "settings and their values",
        ),
        (
            "{\"version\": 1, \"settings\": null}".into(),
            "settings and their values",
        ),
        (file("\"strength\": NaN"), "line 3: this is not JSON"),
        (file("\"strength\": Infinity"), "line 3: this is not JSON"),
        (
            file("\"strength\": 1e999"),
            "line 3: this is not JSON: number out of range",
        ),
        (
            file("\"strength\": 1,"),
            "line 3: this is not JSON: trailing comma",
        ),
        (
            file("\"strength\": 1") + "x",
            "line 5: this is not JSON: trailing characters",
        ),
        (deep("["), "line 3: this is not JSON: recursion limit"),
        (deep("{\"a\":"), "line 3: this is not JSON: recursion limit"),
        ("[".repeat(60_000), "line 1"),
    ] {
        let said = refused(&content);
        assert!(said.contains(words), "{words} is not in: {said}");
    }
    refused(b"{\"version\": 1, \"settings\": {\"model\": \"\xff\"}}");
}

#[test]
fn what_is_not_a_small_file_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |name: &str, words: &str| {
        let path = folder.path().join(name);
        let error = Settings::read(&path).expect_err(name).to_string();
        assert!(error.contains(name) && error.contains(words), "{error}");
    };
    refused("missing.json", "No such file");
    fs::create_dir(folder.path().join("folder.json")).unwrap();
    refused("folder.json", "is a directory");
    let large = File::create(folder.path().join("large.json")).unwrap();
    large.set_len(100 << 20).unwrap();
    refused("large.json", "more than 65536 bytes");
    let spaces = file("") + &" ".repeat(1 << 16);
    fs::write(folder.path().join("spaces.json"), spaces).unwrap();
    refused("spaces.json", "more than 65536 bytes");
    #[cfg(unix)]
    {
        let pipe = folder.path().join("pipe.json");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        refused("pipe.json", "not a regular file");
        std::os::unix::fs::symlink("/dev/zero", folder.path().join("zeros.json")).unwrap();
        refused("zeros.json", "not a regular file");
    }
}

proptest! {
    /// Whatever is in a file, it is read or refused in a line; what is read can be written and read again.
    #[test]
    fn any_file_is_read_or_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        at in any::<prop::sample::Index>(),
        whole in any::<bool>(),
    ) {
        let right = file(r#""model": "wave", "strength": 0.5, "steps": null, "reset-on-cut": true"#);
        let content = if whole {
            bytes
        } else {
            let (before, after) = right.as_bytes().split_at(at.index(right.len()));
            [before, &bytes[..bytes.len().min(3)], after].concat()
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("look.json");
        fs::write(&path, content).unwrap();
        match Settings::read(&path) {
            Ok(settings) => {
                fs::write(&path, settings.to_json(&path)).unwrap();
                prop_assert_eq!(Settings::read(&path).unwrap(), settings);
            }
            Err(error) => {
                let error = error.to_string();
                prop_assert!(error.len() < 800 && !error.contains('\n'), "{}", error);
            }
        }
    }
}

/// For pages and programs that draw controls.
#[test]
fn the_table_is_data() {
    let json = serde_json::to_value(TABLE).unwrap();
    let strength = json
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["name"] == "strength");
    let strength = strength.unwrap();
    assert_eq!(strength["kind"]["type"], "number");
    assert_eq!(strength["kind"]["most"], 1.0);
    let default = &Setting::named("strength").unwrap().default;
    assert_eq!(
        Value::Number(strength["default"].as_f64().unwrap()),
        *default
    );
    assert_eq!(strength["change"], "every-frame");
}

/// The row of a setting in the table of docs/element.md.
fn row(setting: &Setting) -> String {
    let quote = |name: &str| format!("`{name}`");
    let values = match setting.kind {
        Kind::Choice { choices } => choices
            .iter()
            .map(|choice| quote(choice.name))
            .collect::<Vec<_>>()
            .join(", "),
        Kind::Switch => "true, false".into(),
        Kind::Text { metavar } => metavar.to_lowercase().replace('|', " or "),
        Kind::Number { least, most } => format!("{least} to {most}"),
        Kind::Whole { least, most } => {
            let least = setting.unset_number().unwrap_or(least);
            match setting.range() {
                Some(_) => format!("{least} to {most}"),
                None => format!("{least} and more"),
            }
        }
    };
    let default = match (&setting.default, setting.unset_number()) {
        (Value::Unset, Some(number)) => number.to_string(),
        (Value::Unset, None) => "unset".into(),
        (default, _) if matches!(setting.kind, Kind::Choice { .. }) => quote(&default.to_string()),
        (default, _) => default.to_string(),
    };
    let mut meaning = setting.description();
    if let Kind::Choice { choices } = setting.kind {
        for choice in choices {
            meaning += &format!("; `{}`: {}", choice.name, choice.help);
        }
    }
    let when = match setting.change {
        Change::WithTheNextStart => "R",
        Change::AtOnce => "P",
        Change::EveryFrame => "C P",
    };
    format!(
        "| `{}` | {values} | {default} | {meaning} | {when} |",
        setting.name
    )
}

/// The rows are written anew with `UPDATE_DOCS=1`.
#[test]
fn the_manual_of_the_element_has_the_table() {
    const HEAD: &str = "|---|---|---|---|---|\n";
    const OTHERS: [&str; 3] = ["| `settings-file` |", "| `stats` |", "| `qos` |"];
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/element.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(HEAD).unwrap();
    let (rows, after) = rest.split_once("\n\n").unwrap();
    let is_other = |row: &&str| OTHERS.iter().any(|other| row.starts_with(other));
    let others: Vec<_> = rows.lines().filter(is_other).map(str::to_owned).collect();
    assert_eq!(others.len(), OTHERS.len());
    let expected: Vec<_> = TABLE.iter().map(row).chain(others).collect();
    let expected = format!("{before}{HEAD}{}\n\n{after}", expected.join("\n"));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &expected).unwrap();
        return;
    }
    assert!(
        text == expected,
        "docs/element.md is not what the table of settings says; this writes it anew: \
         UPDATE_DOCS=1 cargo test -p nca --test settings"
    );
}

/// Names in the first column of the README's table are those of settings.
#[test]
fn the_readme_names_settings_that_there_are() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = fs::read_to_string(path).unwrap();
    let (_, rest) = text
        .split_once("| property | what it does |\n|---|---|\n")
        .unwrap();
    let (rows, _) = rest.split_once("\n\n").unwrap();
    let firsts = rows.lines().filter_map(|row| row.split('|').nth(1));
    let named: BTreeSet<_> = firsts
        .flat_map(|first| first.split('`').skip(1).step_by(2))
        .filter(|name| !["stats", "settings-file"].contains(name))
        .collect();
    let known: BTreeSet<_> = TABLE.iter().map(|setting| setting.name).collect();
    assert_eq!(named, known);
}

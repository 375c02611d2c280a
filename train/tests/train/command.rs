//! The program nca-train, with features that need no network.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use nca::model::{Architecture, Model};
use tempfile::TempDir;

use crate::common::Picture;

/// A folder with a style picture and content, most of which are pictures.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::create_dir(path.join("content")).unwrap();
    for seed in 0..5 {
        write(&path.join(format!("content/{seed}.png")), seed, 96, 80);
    }
    std::fs::write(path.join("content/readme.txt"), "no picture").unwrap();
    write(&path.join("style.png"), 77, 64, 64);
    folder
}

fn write(path: &Path, seed: u32, width: usize, height: usize) {
    let picture = Picture::synthetic(nca::Size::new(width, height), seed);
    let (width, height) = (width as u32, height as u32);
    image::save_buffer(path, &picture.pixels, width, height, image::ColorType::Rgb8).unwrap();
}

fn train(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nca-train"));
    command
        .current_dir(folder)
        .args(["--device", "cpu"])
        .args(args)
        // Nothing is downloaded, nor taken from a cache.
        .env("HF_HOME", folder.join("hub"))
        .env("HF_ENDPOINT", "http://127.0.0.1:9")
        .stdin(Stdio::null());
    command
}

const SMALL: [&str; 13] = [
    "--style",
    "style.png",
    "--content",
    "content",
    "--features",
    "patches",
    "--size",
    "48",
    "--pool",
    "8",
    "--batch",
    "2",
    "--iterations",
];

/// A small automaton on pixels, which takes less time than one with a painter.
fn small(folder: &Path, iterations: &str, out: &str) -> Command {
    let mut command = painting(folder, iterations, out);
    command.args(["--preset", "pixel-live"]);
    command
}

/// What is trained where nothing else is asked for.
fn painting(folder: &Path, iterations: &str, out: &str) -> Command {
    let mut command = train(folder, &SMALL);
    command.args([iterations, "-o", out]);
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_model_and_all_that_is_said_of_it() {
    let folder = folder();
    let output = small(folder.path(), "12", "a.pt").output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(
        said(&output).contains("One file is no picture"),
        "{}",
        said(&output)
    );

    let model = Model::load(&folder.path().join("a.pt")).unwrap();
    assert_eq!(model.architecture().channels, 12);
    assert!(model.layers()[1].weights().iter().any(|w| *w != 0.0));
    for (key, part) in [
        ("name", "a"),
        ("style", "style.png"),
        ("features", "patches"),
        ("training", "12 iterations, batch 2, 48x48"),
        ("losses", "content "),
        ("parameters", "1865"),
        ("date", "T"),
    ] {
        assert!(
            model.card()[key].contains(part),
            "{key}: {}",
            model.card()[key]
        );
    }

    let run = folder.path().join("a.run");
    for file in [
        "config.json",
        "checkpoint.safetensors",
        "losses.svg",
        "previews/000012-stills.png",
        "previews/000012-clip.png",
    ] {
        assert!(run.join(file).is_file(), "{file}");
    }
    let log = std::fs::read_to_string(run.join("log.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(lines[0]["style"].as_f64().unwrap() > 0.0);
    assert!(lines.iter().any(|line| line["eval/followed"].is_f64()));
    let events = std::fs::read_dir(&run).unwrap().find(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().starts_with("events.out.tfevents.")
    });
    let events = std::fs::read(events.unwrap().unwrap().path()).unwrap();
    assert!(events.windows(13).any(|part| part == b"brain.Event:2"));
    assert!(events.windows(8).any(|part| part == b"temporal"));

    // A second run does not overwrite the first.
    let output = small(folder.path(), "12", "a.pt").output().unwrap();
    assert!(!output.status.success());
    assert!(
        said(&output).contains("there is a run in it"),
        "{}",
        said(&output)
    );
}

/// Ctrl-C, then --resume: the same model as without, to the bit.
#[cfg(unix)]
#[test]
fn what_is_interrupted_goes_on_as_if_it_were_not() {
    let folder = folder();
    let straight = small(folder.path(), "60", "straight.pt").output().unwrap();
    assert!(straight.status.success(), "{}", said(&straight));

    let mut child = small(folder.path(), "60", "broken.pt")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let log = folder.path().join("broken.run/log.jsonl");
    let begun = || std::fs::metadata(&log).is_ok_and(|log| log.len() > 0);
    while !begun() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let interrupted = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(interrupted.success());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("Stopped: "), "{text}");
    assert!(text.contains("nca-train --resume"), "{text}");

    let resumed = train(folder.path(), &["--resume", "broken.run"])
        .output()
        .unwrap();
    assert!(resumed.status.success(), "{}", said(&resumed));
    let [straight, broken] =
        ["straight.pt", "broken.pt"].map(|name| Model::load(&folder.path().join(name)).unwrap());
    assert_eq!(straight.layers(), broken.layers());
}

#[test]
fn what_cannot_be_done_is_said() {
    let folder = folder();
    let path = folder.path();
    std::fs::create_dir(path.join("empty")).unwrap();
    std::fs::write(path.join("empty/notes.txt"), "").unwrap();
    std::fs::write(path.join("vgg-broken.safetensors"), "x").unwrap();
    write(&path.join("small.png"), 3, 80, 40);
    let with = |changes: &[(&str, &str)], more: &[&str]| {
        let mut args: Vec<&str> = SMALL.to_vec();
        for (option, value) in changes {
            let at = args.iter().position(|arg| arg == option).unwrap();
            args[at + 1] = value;
        }
        args.extend(["5", "-o", "b.pt"]);
        args.extend(more);
        let output = train(path, &args).output().unwrap();
        assert!(!output.status.success(), "{args:?}");
        said(&output)
    };
    for (changes, more, parts) in [
        (
            &[("--content", "empty")][..],
            &[][..],
            &["no pictures to train on in", "empty (one file"][..],
        ),
        (
            &[("--content", "nowhere")],
            &[],
            &["cannot read the content", "nowhere"],
        ),
        (
            &[("--style", "content/readme.txt")],
            &[],
            &["cannot read the picture", "readme.txt"],
        ),
        (&[("--size", "9")], &[], &["from 32 to 2048"]),
        (
            &[("--features", "vgg")],
            &[],
            &["timm/vgg19.tv_in1k", "--weights", "model.safetensors"],
        ),
        (
            &[("--features", "vgg")],
            &["--weights", "."],
            &["vgg-broken.safetensors is not a usable network"],
        ),
        (
            &[("--features", "vgg")],
            &["--weights", "nowhere"],
            &["cannot look for weights in nowhere"],
        ),
        (
            &[("--style", "small.png")],
            &["--style-size", "40"],
            &["small.png is 40x20 pixels", "at least 32x32"],
        ),
        (&[], &["--resume", "x"], &["--resume"]),
    ] {
        let said = with(changes, more);
        for part in parts {
            assert!(said.contains(part), "{changes:?} {more:?}: {said}");
        }
    }
    let mut wrong = small(path, "5", "model.onnx");
    let said_of_name = said(&wrong.output().unwrap());
    assert!(
        said_of_name.contains(".safetensors or .pt"),
        "{said_of_name}"
    );
    let output = train(path, &["--resume", "content"]).output().unwrap();
    assert!(
        said(&output).contains("config.json cannot be read"),
        "{}",
        said(&output)
    );
    let mut args = SMALL.to_vec();
    args.extend(["5", "-o", "b.pt"]);
    let mut other = Command::new(env!("CARGO_BIN_EXE_nca-train"));
    let output = other
        .current_dir(path)
        .args(&args)
        .args(["--device", "tpu"])
        .output()
        .unwrap();
    assert!(
        said(&output).contains("it can be auto, cpu, cuda or cuda:N"),
        "{}",
        said(&output)
    );
}

/// From a sentence, with a CLIP whose weights are random: the loss falls all the same.
#[test]
fn a_sentence() {
    let folder = folder();
    let clip = crate::prompt::folder();
    let output = train(
        folder.path(),
        &["--prompt", "A pencil sketch", "--content", "content"],
    )
    .args(["--weights", clip.parent().unwrap().to_str().unwrap()])
    .args([
        "--features",
        "patches",
        "--content-weight",
        "0.05",
        "--temporal-weight",
        "0",
        "--size",
        "48",
        "--preset",
        "pixel-live",
    ])
    .args([
        "--batch",
        "4",
        "--pool",
        "8",
        "--iterations",
        "120",
        "--seed",
        "1",
        "-o",
        "sketch.pt",
    ])
    .output()
    .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let model = Model::load(&folder.path().join("sketch.pt")).unwrap();
    assert_eq!(model.card()["prompt"], "A pencil sketch");
    let log = std::fs::read_to_string(folder.path().join("sketch.run/log.jsonl")).unwrap();
    let losses: Vec<f64> = log
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter_map(|line| line["prompt"].as_f64())
        .collect();
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    // Random crops make each of them uncertain by some 0.2, their means by less than half of that.
    let (first, last) = (mean(&losses[..3]), mean(&losses[losses.len() - 4..]));
    println!("from {first} to {last}: {losses:?}");
    assert!(last < first - 0.15, "from {first} to {last}: {losses:?}");
}

#[test]
fn time_ends_it_well() {
    let folder = folder();
    let mut command = small(folder.path(), "100000", "timed.safetensors");
    let output = command.args(["--max-time", "1s"]).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("The time is over: "), "{text}");
    Model::load(&folder.path().join("timed.safetensors")).unwrap();
}

/// Cells and a painter: what is asked for by nothing.
#[test]
fn a_painter() {
    let folder = folder();
    let output = painting(folder.path(), "6", "a.pt").output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let model = Model::load(&folder.path().join("a.pt")).unwrap();
    assert_eq!(model.architecture().cell, 4);
    assert_eq!(model.painter().len(), 3);
    let log = std::fs::read_to_string(folder.path().join("a.run/log.jsonl")).unwrap();
    assert!(log.contains("eval/followed"), "{log}");

    // It goes on, with its pool of states, and it is what another starts from.
    let resume = ["--resume", "a.run", "--iterations", "8"];
    let output = train(folder.path(), &resume).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let further = Model::load(&folder.path().join("a.pt")).unwrap();
    assert_ne!(further.painter()[0].weights(), model.painter()[0].weights());
    let mut command = painting(folder.path(), "1", "b.safetensors");
    let output = command.args(["--from", "a.pt"]).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let other = Model::load(&folder.path().join("b.safetensors")).unwrap();
    assert_eq!(other.architecture(), model.architecture());

    // The notebooks have none.
    let mut command = painting(folder.path(), "1", "c.pt");
    let output = command
        .args(["--recipe", "notebook", "--from", "a.pt"])
        .output();
    let output = output.unwrap();
    assert!(!output.status.success());
    assert!(
        said(&output).contains("without a painter"),
        "{}",
        said(&output)
    );
}

#[test]
fn an_automaton_of_ones_own() {
    let folder = folder();
    let own = [
        ["--channels", "9"],
        ["--hidden", "12,10"],
        ["--border", "circular"],
        ["--step-size", "0.5"],
        ["--filter-scale", "0.2,0.1"],
        ["--blur", "8,5,1.5"],
        ["--warmup", "10"],
        ["--steps", "3"],
    ];
    let mut command = small(folder.path(), "2", "own.pt");
    let output = command.args(own.as_flattened()).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let model = Model::load(&folder.path().join("own.pt")).unwrap();
    let expected = r#"{"channels":9,"source":"rgb","hidden":[12,10],"border":"circular",
        "filter_scale":{"sobel":0.2,"laplacian":0.1},
        "blurs":[{"channel":8,"size":5,"sigma":1.5}],"step_size":0.5}"#;
    let expected: Architecture = serde_json::from_str(expected).unwrap();
    assert_eq!(*model.architecture(), expected);
    assert_eq!((model.playback().warmup, model.playback().steps), (10, 3));

    // What starts from it has not gone far after an iteration.
    let mut command = painting(folder.path(), "1", "further.pt");
    let output = command.args(["--from", "own.pt"]).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let further = Model::load(&folder.path().join("further.pt")).unwrap();
    assert_eq!(further.architecture(), model.architecture());
    assert_eq!(further.playback(), model.playback());
    assert_eq!(further.card()["from"], "own.pt");
    assert_ne!(further.layers(), model.layers());
    for (a, b) in further.layers().iter().zip(model.layers()) {
        for (a, b) in a.weights().iter().zip(b.weights()) {
            assert!((a - b).abs() < 0.01, "{a} {b}");
        }
    }

    for (option, value, part) in [
        ("--channels", "5", "has 5 channels"),
        ("--hidden", "0", "width 0"),
        ("--blur", "2,5,1.5", "blurs channel 2"),
        ("--blur", "8", "channel, size and deviation"),
        ("--filter-scale", "1", "two numbers"),
        ("--from", "style.png", "style.png"),
    ] {
        let mut command = painting(folder.path(), "1", "refused.pt");
        let output = command.args([option, value]).output().unwrap();
        assert!(!output.status.success());
        assert!(said(&output).contains(part), "{option}: {}", said(&output));
    }
}

#[test]
fn a_film_without_a_program_that_reads_it() {
    let folder = folder();
    std::fs::write(folder.path().join("film.mp4"), "").unwrap();
    let mut command = train(folder.path(), &["--style", "style.png", "-o", "a.pt"]);
    command.args(["--features", "patches", "--content", "film.mp4"]);
    let output = command.env("PATH", "").output().unwrap();
    assert!(!output.status.success());
    assert!(
        said(&output).contains("neither is installed"),
        "{}",
        said(&output)
    );
}

/// As the notebooks do it.
#[test]
fn sentences_a_picture_and_a_mark() {
    let folder = folder();
    let clip = crate::prompt::folder();
    let head = clip.with_file_name("guide.safetensors");
    let output = train(
        folder.path(),
        &[
            "--recipe",
            "notebook",
            "--prompt",
            "A pencil sketch",
            "--prompt",
            "blur:-0.5",
        ],
    )
    .args(["--prompt-picture", "style.png:0.5", "--content", "content"])
    .args(["--weights", clip.parent().unwrap().to_str().unwrap()])
    .args(["--aesthetic", head.to_str().unwrap()])
    .args(["--size", "32", "--batch", "2", "--pool", "4"])
    .args(["--iterations", "10", "-o", "guided.pt"])
    .output()
    .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let model = Model::load(&folder.path().join("guided.pt")).unwrap();
    assert_eq!(model.card()["prompt"], "A pencil sketch; blur:-0.5");
    assert_eq!(model.card()["features"], "CLIP");
    assert!(
        model.card()["losses"].contains("aesthetic "),
        "{}",
        model.card()["losses"]
    );
}

/// What is in the way of the model file is said before anything is read: the content is not there.
#[test]
fn where_nothing_can_be_written_nothing_is_begun() {
    let folder = folder();
    let path = folder.path();
    std::fs::write(path.join("precious.pt"), "precious").unwrap();
    std::fs::write(path.join("file"), "").unwrap();
    std::fs::create_dir(path.join("a-folder.pt")).unwrap();
    let refused = |out: &str, more: &[&str], parts: &[&str]| {
        let mut command = train(path, &["--style", "style.png", "--content", "nowhere"]);
        command
            .args(["--features", "patches", "-o", out])
            .args(more);
        let output = command.output().unwrap();
        assert!(!output.status.success());
        for part in parts {
            assert_eq!(said(&output).matches(part).count(), 1, "{}", said(&output));
        }
    };
    refused("precious.pt", &[], &["precious.pt", "--overwrite"]);
    assert_eq!(
        std::fs::read(path.join("precious.pt")).unwrap(),
        b"precious"
    );
    refused("no/such/a.pt", &[], &["a.pt", "No such file or directory"]);
    refused(
        "a-folder.pt",
        &["--overwrite"],
        &["a-folder.pt", "not a regular file"],
    );
    refused("a.pt", &["--run", "file/run"], &["Not a directory"]);
    #[cfg(target_os = "linux")]
    refused("/proc/a.pt", &["--run", "run"], &["/proc/a.pt"]);
    #[cfg(target_os = "linux")]
    refused("a.pt", &["--run", "/proc/run"], &["/proc/run"]);
    // What is asked to be replaced is not before there is something else.
    refused(
        "precious.pt",
        &["--overwrite"],
        &["cannot read the content"],
    );
    assert_eq!(
        std::fs::read(path.join("precious.pt")).unwrap(),
        b"precious"
    );
    assert!(!path.join("precious.run").exists() && !path.join("run").exists());

    let mut command = small(path, "1", "precious.pt");
    let output = command.arg("--overwrite").output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    Model::load(&path.join("precious.pt")).unwrap();
}

/// An iteration of minutes is not waited for.
#[cfg(unix)]
#[test]
fn in_the_middle_of_an_iteration() {
    let folder = folder();
    let mut args = SMALL.to_vec();
    let size = args.iter().position(|arg| *arg == "--size").unwrap();
    args[size + 1] = "512";
    let mut command = train(folder.path(), &args);
    command.args(["1", "-o", "long.pt", "--preset", "pixel-live"]);
    command.args(["--warmup", "1024", "--threads", "1"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let config = folder.path().join("long.run/config.json");
    while !config.exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    std::thread::sleep(std::time::Duration::from_secs(1));
    let interrupted = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(interrupted.success());
    // Five seconds, and more on a machine that is busy.
    for _ in 0..300 {
        if child.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let ended = child.try_wait().unwrap();
    child.kill().unwrap();
    assert_eq!(ended.and_then(|status| status.code()), Some(130));
    assert!(!folder.path().join("long.pt").exists());
}

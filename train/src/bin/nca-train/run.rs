//! A run from its beginning, or from where it stopped, to its end.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail, ensure};
use nca::internals::unfinished::check_target;
use nca::model::{Card, Model};
use nca_train::data::content::{Content, read_picture};
use nca_train::losses::guide::Guide;
use nca_train::losses::picture::PictureLoss;
use nca_train::losses::prompt::PromptLoss;
use nca_train::networks::clip::Clip;
use nca_train::networks::features;
use nca_train::networks::vgg::Vgg;
use nca_train::recipes::guided::Guided;
use nca_train::recipes::notebook::Notebook;
use nca_train::recipes::recipe::Recipe;
use nca_train::recipes::style::{Look, MovingStyle};
use nca_train::reports::evaluation::Evaluation;
use nca_train::reports::run_folder::RunFolder;
use nca_train::rule::automaton::{Automaton, Initialisation};
use nca_train::training::checkpoint::Checkpoint;
use nca_train::training::trainer::Trainer;
use nca_train::{TrainError, caught, device, networks::weights, reports::preview};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Tensor};

use crate::args::{Args, FeaturesName, RecipeName};
use crate::config::{self, Beginning, Config, Features};
use crate::interruption;
use crate::progress::Progress;

/// Pictures that are not trained on but shown in previews.
const HELD_OUT: usize = 3;
/// Shortest side of a style picture in pixels; below, the deepest features have no place left.
const LEAST: i64 = 32;
/// Iterations from one preview to the next.
const PREVIEW: u64 = 250;
/// Iterations from one line of the log to the next.
const LOG: u64 = 10;
/// From one checkpoint to the next.
const CHECKPOINT: Duration = Duration::from_secs(120);

pub fn run(args: &Args) -> anyhow::Result<()> {
    interruption::listen()?;
    if let Some(threads) = args.threads {
        use_threads(threads)?;
    }
    let device = device(&args.device)?;
    caught(|| match &args.resume {
        Some(path) => resume(args, path, device),
        None => begin(args, device),
    })?
}

/// On the processor, libtorch's and our own.
fn use_threads(threads: usize) -> anyhow::Result<()> {
    tch::set_num_threads(threads as i32);
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .context("cannot set the number of threads")
}

fn begin(args: &Args, device: Device) -> anyhow::Result<()> {
    let out = args
        .out
        .as_deref()
        .context("--out is needed, or --resume")?;
    let run = args.run.clone();
    let run = run.unwrap_or_else(|| out.with_extension("run"));
    check_run(&run)?;
    check_out(out, args.overwrite)?;
    let features = choose_features(args)?;
    ensure!(
        args.recipe == RecipeName::Notebook
            || (args.prompt_picture.is_empty() && args.aesthetic.is_none()),
        "--prompt-picture and --aesthetic go with --recipe notebook"
    );
    let clip = match args.prompt.is_empty() {
        true => None,
        false => Some(weights::clip_folder(args.weights.as_deref())?),
    };
    let config = Config::of(args, features, clip)?;
    let (trainer, held_out) = prepare(&config, device)?;
    let folder = RunFolder::create(&run, &config)?;
    train(args, &config, trainer, &held_out, folder)
}

/// That the model can be written, which is done for the first time after minutes.
fn check_out(out: &Path, overwrite: bool) -> anyhow::Result<()> {
    let extension = out.extension().and_then(|extension| extension.to_str());
    ensure!(
        matches!(extension, Some("pt" | "safetensors")),
        "cannot write a model to {}: its name must end in .safetensors or .pt",
        out.display()
    );
    check_target(out, overwrite)
        .with_context(|| format!("cannot write the model file {}", out.display()))
}

/// That a run can be kept in a folder, which is made, with all above it, when training begins.
fn check_run(run: &Path) -> anyhow::Result<()> {
    RunFolder::refuse_existing(run)?;
    let run = std::path::absolute(run)?;
    let above = run.ancestors().find(|folder| folder.exists());
    let above = above.unwrap_or(&run);
    // Any name that is not there.
    check_target(&above.join("config.json.new"), true)
        .with_context(|| format!("cannot write the folder of the run {}", run.display()))
}

fn resume(args: &Args, path: &Path, device: Device) -> anyhow::Result<()> {
    let (folder, mut config) = RunFolder::resume::<Config>(path)?;
    if let Some(iterations) = args.iterations {
        config.extent.iterations = iterations;
    }
    check_out(&config.out, true)?;
    let refuse = |why| TrainError::Resume {
        path: path.into(),
        why,
    };
    let (mut trainer, held_out) = prepare(&config, device)?;
    // A run that was ended by force may not have come to its first checkpoint.
    if folder.checkpoint().exists() {
        let checkpoint = Checkpoint::read(&folder.checkpoint(), device).map_err(refuse)?;
        trainer.restore(&checkpoint).map_err(refuse)?;
    }
    train(args, &config, trainer, &held_out, folder)
}

/// Which networks, or none.
fn choose_features(args: &Args) -> anyhow::Result<Features> {
    // The notebooks look at nothing but CLIP then.
    let guided = args.recipe == RecipeName::Notebook && !args.prompt.is_empty();
    if guided || args.features == FeaturesName::Patches {
        return Ok(Features::Patches);
    }
    match (weights::vgg_files(args.weights.as_deref()), args.features) {
        (Ok(files), _) => Ok(Features::Networks(files)),
        (Err(error), FeaturesName::Auto)
            if args.recipe == RecipeName::Moving
                && (args.weights.is_none() || !args.prompt.is_empty()) =>
        {
            eprintln!(
                "{error}\nPictures are compared by their patches instead, which gives a plainer style."
            );
            Ok(Features::Patches)
        }
        (Err(error), _) => Err(error.into()),
    }
}

/// The trainer of a configuration, not begun, and the pictures that it does not see.
fn prepare(config: &Config, device: Device) -> anyhow::Result<(Trainer, Content)> {
    let mut networks = Vec::new();
    if let Features::Networks(files) = &config.features {
        for file in files {
            networks.push(Vgg::read(file, device)?);
        }
    }
    let picture = match &config.look {
        config::Look::Picture { path, size } => {
            let picture = read_picture(path, *size)?;
            let (height, width) = (picture.size()[2], picture.size()[3]);
            ensure!(
                height.min(width) >= LEAST,
                "{} is {width}x{height} pixels with --style-size {size}; a style needs at least \
                 {LEAST}x{LEAST}",
                path.display()
            );
            Some(picture.to(device))
        }
        config::Look::Prompt { .. } => None,
    };
    let mut content = Content::read(&config.content, device)?;
    match content.skipped {
        0 => {}
        1 => eprintln!("One file is no picture and is left out"),
        n => eprintln!("{n} files are no pictures and are left out"),
    }
    let held_out = content.hold_out(HELD_OUT);
    let (initialisation, recipe): (_, Box<dyn Recipe>) = match config.recipe {
        config::Recipe::Moving => {
            let features = if networks.is_empty() {
                features::Features::Patches
            } else {
                features::Features::Networks {
                    networks: networks.into_iter().map(Vgg::repeating_edges).collect(),
                    content: config.content_layer,
                }
            };
            let (playback, extent) = (config.playback, config.extent);
            let weights = config.style_weights;
            let look = match (&config.look, &picture) {
                (
                    config::Look::Prompt {
                        sentences, clip, ..
                    },
                    _,
                ) => {
                    let clip = Clip::read(clip, device)?;
                    Look::Prompt(Box::new(PromptLoss::new(clip, sentences)?))
                }
                (_, Some(picture)) => Look::Picture(PictureLoss::new(
                    picture,
                    &features,
                    config.levels,
                    weights.gram > 0.0,
                )),
                (_, None) => bail!("the run says neither a picture nor a sentence"),
            };
            let recipe = MovingStyle::new(look, content, features, playback, extent, weights);
            (Initialisation::Still, Box::new(recipe))
        }
        config::Recipe::Notebook => notebook(config, networks, picture, content, device)?,
    };
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
    rng.set_stream(u64::MAX);
    let automaton = match &config.beginning {
        Beginning::Model(path) => Automaton::of(&Model::load(path)?, device),
        Beginning::Preset(_) => {
            Automaton::new(&config.architecture, initialisation, &mut rng, device)
        }
    };
    Ok((Trainer::new(automaton, recipe, config.seed), held_out))
}

/// What the published notebooks do, for a picture or for sentences.
fn notebook(
    config: &Config,
    networks: Vec<Vgg>,
    picture: Option<Tensor>,
    content: Content,
    device: Device,
) -> anyhow::Result<(Initialisation, Box<dyn Recipe>)> {
    if let config::Look::Prompt {
        sentences,
        pictures,
        aesthetic,
        clip,
    } = &config.look
    {
        let mut guide = Guide::new(Clip::read(clip, device)?, sentences)?;
        let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
        rng.set_stream(u64::MAX - 1);
        for (path, weight) in pictures {
            let picture = read_picture(path, u32::MAX)?.to(device);
            guide.add_picture(&picture, *weight, &mut rng);
        }
        if let Some(path) = aesthetic {
            guide.add_aesthetic(path)?;
        }
        let recipe = Guided::new(guide, content, config.extent);
        return Ok((Initialisation::Scaled(0.1), Box::new(recipe)));
    }
    let network = networks
        .into_iter()
        .max_by_key(Vgg::depth)
        .context("the recipe notebook compares pictures by VGG-19: --features vgg")?;
    let picture = picture.context("the run says neither a picture nor a sentence")?;
    let recipe = Notebook::new(&picture, content, network, config.extent);
    Ok((Initialisation::Scaled(0.15), Box::new(recipe)))
}

fn train(
    args: &Args,
    config: &Config,
    mut trainer: Trainer,
    held_out: &Content,
    mut folder: RunFolder,
) -> anyhow::Result<()> {
    interruption::training_begins();
    let iterations = config.extent.iterations;
    let end = args.max_time.map(|time| Instant::now() + time);
    let progress = Progress::new(trainer.iteration(), iterations);
    progress.say(&format!("Logs and previews: {}", folder.path().display()));

    let mut losses = Vec::new();
    let mut saved = Instant::now();
    let why = loop {
        if trainer.iteration() >= iterations {
            break "All iterations are done";
        } else if interruption::stop() {
            break "Stopped";
        } else if end.is_some_and(|end| Instant::now() >= end) {
            break "The time is over";
        }
        let report = trainer.iterate()?;
        progress.show(&report);
        if let Some(rollback) = report.rolled_back {
            progress.say(&format!(
                "The loss went to {:.3}: back to iteration {}, with {} of the learning rate",
                rollback.loss, rollback.to, rollback.rate_factor
            ));
            continue;
        }
        if report.iteration.is_multiple_of(LOG) {
            let mut values = report.losses.clone();
            values.push(("rate", report.rate));
            folder.log(report.iteration, trainer.seconds(), &values)?;
        }
        losses = report.losses;
        if report.iteration.is_multiple_of(PREVIEW) {
            look(config, &trainer, held_out, &mut folder)?;
        }
        if saved.elapsed() >= CHECKPOINT {
            save(config, &mut trainer, &folder, &losses)?;
            saved = Instant::now();
        }
    };
    progress.finish();
    save(config, &mut trainer, &folder, &losses)?;
    if !trainer.iteration().is_multiple_of(PREVIEW) && !interruption::stop() {
        look(config, &trainer, held_out, &mut folder)?;
    }
    println!(
        "{why}: {} of {iterations} iterations in {}",
        trainer.iteration(),
        humantime::format_duration(Duration::from_secs(trainer.seconds() as u64))
    );
    println!("Model     {}", config.out.display());
    println!("Previews  {}", folder.path().join("previews").display());
    if trainer.iteration() < iterations {
        println!("Go on     nca-train --resume {}", folder.path().display());
    }
    Ok(())
}

/// Measurements and pictures of how far it has come.
fn look(
    config: &Config,
    trainer: &Trainer,
    held_out: &Content,
    folder: &mut RunFolder,
) -> anyhow::Result<()> {
    if held_out.is_empty() {
        return Ok(());
    }
    let (automaton, playback) = (trainer.automaton(), config.playback);
    let iteration = trainer.iteration();
    let evaluation = Evaluation::of(automaton, playback, held_out, config.extent.size);
    folder.log(iteration, trainer.seconds(), &evaluation.values())?;
    let stills = preview::stills(automaton, playback, held_out);
    folder.preview("stills", iteration, &stills)?;
    let clip = preview::clip(automaton, playback, held_out);
    folder.preview("clip", iteration, &clip)?;
    Ok(())
}

fn save(
    config: &Config,
    trainer: &mut Trainer,
    folder: &RunFolder,
    losses: &[(&'static str, f64)],
) -> anyhow::Result<()> {
    folder.save(&trainer.checkpoint())?;
    let card = card(config, trainer, losses);
    let model = trainer.automaton().to_model(config.playback, card)?;
    Ok(model.save(&config.out)?)
}

/// What the model says of itself.
fn card(config: &Config, trainer: &Trainer, losses: &[(&'static str, f64)]) -> Card {
    let name = |path: &PathBuf| {
        let name = path.file_name().unwrap_or(path.as_os_str());
        name.to_string_lossy().into_owned()
    };
    let names = |paths: &[PathBuf]| paths.iter().map(name).collect::<Vec<_>>().join(", ");
    let parameters: usize = trainer
        .automaton()
        .parameters()
        .iter()
        .map(|(_, parameter)| parameter.numel())
        .sum();
    let losses = losses
        .iter()
        .map(|(name, loss)| format!("{name} {loss:.4}"));
    let title = config.out.file_stem().unwrap_or_default();
    let features = match (&config.features, &config.look, config.recipe) {
        (_, config::Look::Prompt { .. }, config::Recipe::Notebook) => "CLIP".into(),
        (Features::Networks(files), ..) => names(files),
        (Features::Patches, ..) => "patches".into(),
    };
    let extent = &config.extent;
    Card::from(
        [
            ("name", title.to_string_lossy().into_owned()),
            match &config.look {
                config::Look::Picture { path, .. } => ("style", name(path)),
                config::Look::Prompt { sentences, .. } => ("prompt", sentences.join("; ")),
            },
            ("content", names(&config.content)),
            ("recipe", config.recipe.name().into()),
            match &config.beginning {
                Beginning::Model(path) => ("from", name(path)),
                Beginning::Preset(preset) => ("preset", preset.clone()),
            },
            ("features", features),
            (
                "training",
                format!(
                    "{} iterations, batch {}, {}x{} pixels, seed {}",
                    trainer.iteration(),
                    extent.batch,
                    extent.size,
                    extent.size,
                    config.seed
                ),
            ),
            ("losses", losses.collect::<Vec<_>>().join(", ")),
            ("parameters", parameters.to_string()),
            (
                "date",
                humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            ),
            (
                "made-with",
                format!("nca-train {}", env!("CARGO_PKG_VERSION")),
            ),
        ]
        .map(|(key, value)| (key.to_owned(), value)),
    )
}

// SPDX-License-Identifier: MIT OR Apache-2.0

/**
 * SECTION:element-ncafilter
 * @title: ncafilter
 * @short_description: Restyles video with a trained neural cellular automaton
 *
 * A neural cellular automaton is a tiny rule, the same for every pixel, that looks at a pixel's
 * neighbourhood and nudges its state. Each frame is the source that the rule looks at; the state
 * lives on from frame to frame.
 *
 * Each buffer is changed in place: one comes out for one that goes in, with its timestamps, flags
 * and metas, without added latency. Alpha is left as it is.
 *
 * All properties can be set while playing; none waits for a frame. A new #ncafilter:model is
 * loaded beside the stream and takes over between two frames; one that cannot be loaded gives a
 * warning message, and the old one stays. When the element is started with one that cannot be
 * loaded, that is an error.
 *
 * The picture changes with every frame that is processed, and frames that come too late for the
 * sink are dropped when #GstBaseTransform:qos is set, as it is by default. For files that are to
 * come out the same every time, set it to false.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 v4l2src ! videoconvert ! ncafilter ! videoconvert ! autovideosink
 * ]| Restyles a webcam with the bundled model.
 * |[
 * gst-launch-1.0 filesrc location=in.mp4 ! decodebin ! videoconvert \
 *   ! ncafilter model=crayon.pt strength=0.8 qos=false \
 *   ! videoconvert ! x264enc ! mp4mux ! filesink location=out.mp4
 * ]| Restyles a file with a model of your own.
 * |[
 * gst-launch-1.0 videotestsrc pattern=ball ! tee name=t \
 *   t. ! queue ! videoconvert ! ncafilter ! videoconvert ! autovideosink \
 *   t. ! queue ! videoconvert ! autovideosink
 * ]| Shows the restyled and the original video.
 */
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::prelude::*;
use gst_video::subclass::prelude::*;
use nca::engine::EngineError;
use nca::engine::cpu::CpuEngine;
use nca::model::{Model, ModelError};
use nca::stylizer::{Outcome, Stylizer};

use super::frame;
use super::settings::{MODEL_STEPS, Settings};
use super::stats::Stats;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "ncafilter",
        gst::DebugColorFlags::empty(),
        Some("Neural cellular automaton filter"),
    )
});

const MAX_STEPS: i32 = 1024;

/// What only the streaming thread uses, between start and stop.
struct State {
    stylizer: Stylizer,
    /// Name of the model, for the statistics.
    model: String,
    /// Whether it was already said that the model cannot be shown.
    gave_up: bool,
}

/// A model that was asked for while playing.
struct LoadedModel {
    name: String,
    model: Arc<Model>,
}

#[derive(Default)]
pub struct NcaFilter {
    settings: Mutex<Settings>,
    /// The settings are newer than what the streaming thread has seen of them.
    settings_changed: AtomicBool,
    reset: AtomicBool,
    /// Between start and stop: a new model is loaded at once.
    started: AtomicBool,
    loaded: Mutex<Option<LoadedModel>>,
    stats: Mutex<Stats>,
    /// Locked as long as a frame takes; never by setting or getting a property.
    state: Mutex<Option<State>>,
}

#[glib::object_subclass]
impl ObjectSubclass for NcaFilter {
    const NAME: &'static str = "GstNcaFilter";
    type Type = super::NcaFilter;
    type ParentType = gst_video::VideoFilter;
}

impl ObjectImpl for NcaFilter {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let defaults = Settings::default();
            vec![
                glib::ParamSpecString::builder("model")
                    .nick("Model")
                    .blurb("Path of a model file (.pt, .safetensors) or name of a bundled model; unset: the bundled default")
                    .mutable_playing()
                    .build(),
                glib::ParamSpecEnum::builder_with_default("backend", defaults.backend)
                    .nick("Backend")
                    .blurb("What runs the automaton; a change starts the state anew")
                    .mutable_playing()
                    .build(),
                glib::ParamSpecString::builder("device")
                    .nick("Device")
                    .blurb("Which of the backend's devices; unset: the first. The cpu backend has none to choose from")
                    .mutable_playing()
                    .build(),
                glib::ParamSpecUInt::builder("threads")
                    .nick("Threads")
                    .blurb("Threads of the cpu backend, shared with other filters of the process that have as many; 0: one for each core")
                    .maximum(1024)
                    .default_value(defaults.threads)
                    .mutable_playing()
                    .build(),
                glib::ParamSpecInt::builder("steps")
                    .nick("Steps")
                    .blurb("Steps of the automaton for each frame; 0: show the state unchanged; -1: what the model says")
                    .minimum(MODEL_STEPS)
                    .maximum(MAX_STEPS)
                    .default_value(defaults.steps)
                    .mutable_playing()
                    .controllable()
                    .build(),
                glib::ParamSpecInt::builder("warmup")
                    .nick("Warm-up")
                    .blurb("Steps of the automaton on the first frame and after a reset; -1: what the model says")
                    .minimum(MODEL_STEPS)
                    .maximum(MAX_STEPS)
                    .default_value(defaults.warmup)
                    .mutable_playing()
                    .build(),
                glib::ParamSpecDouble::builder("strength")
                    .nick("Strength")
                    .blurb("Mix with the source: 0 is the source, 1 the automaton's picture")
                    .minimum(0.0)
                    .maximum(1.0)
                    .default_value(defaults.strength)
                    .mutable_playing()
                    .controllable()
                    .build(),
                glib::ParamSpecDouble::builder("scale")
                    .nick("Scale")
                    .blurb("Size of the automaton relative to the frame; smaller is faster and coarser. A change starts the state anew")
                    .minimum(0.1)
                    .maximum(1.0)
                    .default_value(defaults.scale)
                    .mutable_playing()
                    .build(),
                glib::ParamSpecUInt::builder("interval")
                    .nick("Interval")
                    .blurb("Update the automaton on every Nth frame, show its last picture on those between")
                    .minimum(1)
                    .default_value(defaults.interval)
                    .mutable_playing()
                    .controllable()
                    .build(),
                glib::ParamSpecUInt64::builder("seed")
                    .nick("Seed")
                    .blurb("Of the noise that the state starts from; takes effect with the next start")
                    .default_value(defaults.seed)
                    .mutable_playing()
                    .build(),
                glib::ParamSpecBoolean::builder("reset-on-cut")
                    .nick("Reset on cut")
                    .blurb("Start the state anew on a hard cut")
                    .default_value(defaults.reset_on_cut)
                    .mutable_playing()
                    .build(),
                glib::ParamSpecDouble::builder("cut-threshold")
                    .nick("Cut threshold")
                    .blurb("How different two frames must be for a cut, from 0 (any change) to 1 (never)")
                    .minimum(0.0)
                    .maximum(1.0)
                    .default_value(defaults.cut_threshold)
                    .mutable_playing()
                    .build(),
                glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
                    .nick("Statistics")
                    .blurb("Frames since start, average and longest milliseconds a frame, backend, device and model in use")
                    .read_only()
                    .build(),
                glib::ParamSpecUInt::builder("stats-interval")
                    .nick("Statistics interval")
                    .blurb("Milliseconds between element messages with the statistics; 0: none are posted")
                    .default_value(defaults.stats_interval)
                    .mutable_playing()
                    .build(),
            ]
        });
        PROPERTIES.as_ref()
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let mut settings = lock(&self.settings);
        match pspec.name() {
            "model" => {
                let name: Option<String> = value.get().expect("type checked upstream");
                settings.model = name.filter(|name| !name.is_empty());
                drop(settings);
                if self.started.load(Ordering::SeqCst) {
                    self.obj()
                        .call_async(|filter| filter.imp().load_beside_stream());
                }
                return;
            }
            "backend" => settings.backend = value.get().expect("type checked upstream"),
            "device" => {
                let device: Option<String> = value.get().expect("type checked upstream");
                settings.device = device.filter(|device| !device.is_empty());
            }
            "threads" => settings.threads = value.get().expect("type checked upstream"),
            "steps" => settings.steps = value.get().expect("type checked upstream"),
            "warmup" => settings.warmup = value.get().expect("type checked upstream"),
            "strength" => settings.strength = value.get().expect("type checked upstream"),
            "scale" => settings.scale = value.get().expect("type checked upstream"),
            "interval" => settings.interval = value.get().expect("type checked upstream"),
            "seed" => settings.seed = value.get().expect("type checked upstream"),
            "reset-on-cut" => settings.reset_on_cut = value.get().expect("type checked upstream"),
            "cut-threshold" => settings.cut_threshold = value.get().expect("type checked upstream"),
            "stats-interval" => {
                settings.stats_interval = value.get().expect("type checked upstream");
            }
            name => unreachable!("there is no writable property {name}"),
        }
        self.settings_changed.store(true, Ordering::SeqCst);
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        if pspec.name() == "stats" {
            return lock(&self.stats).structure().to_value();
        }
        let settings = lock(&self.settings);
        match pspec.name() {
            "model" => settings.model.to_value(),
            "backend" => settings.backend.to_value(),
            "device" => settings.device.to_value(),
            "threads" => settings.threads.to_value(),
            "steps" => settings.steps.to_value(),
            "warmup" => settings.warmup.to_value(),
            "strength" => settings.strength.to_value(),
            "scale" => settings.scale.to_value(),
            "interval" => settings.interval.to_value(),
            "seed" => settings.seed.to_value(),
            "reset-on-cut" => settings.reset_on_cut.to_value(),
            "cut-threshold" => settings.cut_threshold.to_value(),
            "stats-interval" => settings.stats_interval.to_value(),
            name => unreachable!("there is no readable property {name}"),
        }
    }

    fn signals() -> &'static [glib::subclass::Signal] {
        static SIGNALS: LazyLock<Vec<glib::subclass::Signal>> = LazyLock::new(|| {
            vec![
                glib::subclass::Signal::builder("reset")
                    .action()
                    .class_handler(|arguments| {
                        let filter = arguments[0].get::<super::NcaFilter>();
                        let filter = filter.expect("a signal's first argument is its object");
                        filter.imp().reset.store(true, Ordering::SeqCst);
                        None
                    })
                    .build(),
            ]
        });
        SIGNALS.as_ref()
    }
}

impl GstObjectImpl for NcaFilter {}

impl ElementImpl for NcaFilter {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Neural cellular automaton filter",
                "Filter/Effect/Video",
                "Restyles video with a trained neural cellular automaton",
                "The ncafilter authors",
            )
        });
        Some(&*METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let lengths = 1..=CpuEngine::MAX_LENGTH as i32;
            let caps = gst_video::VideoCapsBuilder::new()
                .format_list(frame::FORMATS)
                .width_range(lengths.clone())
                .height_range(lengths)
                .field("interlace-mode", "progressive")
                .build();
            [gst::PadDirection::Src, gst::PadDirection::Sink]
                .map(|direction| {
                    let name = match direction {
                        gst::PadDirection::Src => "src",
                        _ => "sink",
                    };
                    gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps)
                        .expect("the template is well-formed")
                })
                .into()
        });
        TEMPLATES.as_ref()
    }
}

impl BaseTransformImpl for NcaFilter {
    const MODE: gst_base::subclass::BaseTransformMode =
        gst_base::subclass::BaseTransformMode::AlwaysInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = lock(&self.settings).clone();
        let (name, model) = load(settings.model.as_deref()).map_err(|error| match error {
            ModelError::NotFound { .. } => {
                gst::error_msg!(gst::ResourceError::NotFound, ["{error}"])
            }
            _ => gst::error_msg!(gst::ResourceError::Read, ["{error}"]),
        })?;
        gst::info!(CAT, imp = self, "Loaded the model {name}");
        *lock(&self.loaded) = None;
        *lock(&self.stats) = Stats::default();
        *lock(&self.state) = Some(State {
            stylizer: Stylizer::new(model, settings.selection(), settings.options()),
            model: name,
            gave_up: false,
        });
        self.reset.store(false, Ordering::SeqCst);
        self.started.store(true, Ordering::SeqCst);
        // It may have been set since it was read.
        if lock(&self.settings).model != settings.model {
            self.load_beside_stream();
        }
        self.settings_changed.store(true, Ordering::SeqCst);
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        self.started.store(false, Ordering::SeqCst);
        *lock(&self.state) = None;
        *lock(&self.loaded) = None;
        Ok(())
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        if let gst::EventView::FlushStop(_) = event.view() {
            self.reset.store(true, Ordering::SeqCst);
        }
        self.parent_sink_event(event)
    }

    fn before_transform(&self, buffer: &gst::BufferRef) {
        let filter = self.obj();
        let segment = filter.segment();
        let time = segment
            .downcast_ref::<gst::ClockTime>()
            .and_then(|segment| segment.to_stream_time(buffer.pts()));
        if let Some(time) = time
            && let Err(error) = filter.sync_values(time)
        {
            gst::warning!(
                CAT,
                imp = self,
                "Controlled properties stay as they are: {error}"
            );
        }
    }
}

impl VideoFilterImpl for NcaFilter {
    fn set_info(
        &self,
        incaps: &gst::Caps,
        in_info: &gst_video::VideoInfo,
        outcaps: &gst::Caps,
        out_info: &gst_video::VideoInfo,
    ) -> Result<(), gst::LoggableError> {
        self.reset.store(true, Ordering::SeqCst);
        self.parent_set_info(incaps, in_info, outcaps, out_info)
    }

    fn transform_frame_ip(
        &self,
        frame: &mut gst_video::VideoFrameRef<&mut gst::BufferRef>,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let begun = Instant::now();
        let mut state = lock(&self.state);
        let Some(state) = state.as_mut() else {
            return Err(gst::FlowError::Flushing);
        };
        self.take_changes(state);

        let failed = |what: String| {
            gst::element_imp_error!(self, gst::StreamError::Failed, ["{what}"]);
            gst::FlowError::Error
        };
        let mut view = frame::view(frame).map_err(failed)?;
        let outcome = state
            .stylizer
            .process(&mut view)
            .map_err(|error| match error {
                EngineError::NoDevice { .. } => {
                    gst::element_imp_error!(self, gst::ResourceError::NotFound, ["{error}"]);
                    gst::FlowError::Error
                }
                error => failed(error.to_string()),
            })?;

        let mut stats = lock(&self.stats);
        match outcome {
            Outcome::Continued => {}
            Outcome::Started | Outcome::Reseeded => {
                if let Some(engine) = state.stylizer.engine() {
                    let (backend, device) = (engine.backend().name(), engine.device());
                    gst::debug!(CAT, imp = self, "State started anew, {backend} on {device}");
                    stats.set_engine(backend, device, state.model.clone());
                }
            }
            Outcome::GaveUp => {}
        }
        stats.count(begun.elapsed());
        let interval = gst::ClockTime::from_mseconds(lock(&self.settings).stats_interval.into());
        let structure = (!interval.is_zero() && stats.is_due(interval)).then(|| stats.structure());
        drop(stats);

        // Nothing is locked that a handler of these messages could want.
        if let Some(structure) = structure {
            let filter = self.obj();
            let message = gst::message::Element::builder(structure)
                .src(&*filter)
                .build();
            // Without a bus nobody wants it.
            let _ = filter.post_message(message);
        }
        match outcome {
            Outcome::Reseeded => {
                gst::element_imp_warning!(
                    self,
                    gst::StreamError::Failed,
                    ["the automaton's state went out of bounds and was started anew"]
                );
            }
            Outcome::GaveUp if !state.gave_up => {
                state.gave_up = true;
                gst::element_imp_warning!(
                    self,
                    gst::StreamError::Failed,
                    [
                        "the model {} runs out of bounds on this video, which is shown as it comes",
                        state.model
                    ]
                );
            }
            _ => {}
        }
        Ok(gst::FlowSuccess::Ok)
    }
}

impl NcaFilter {
    /// Takes over what was asked for since the last frame.
    fn take_changes(&self, state: &mut State) {
        if self.settings_changed.swap(false, Ordering::SeqCst) {
            let settings = lock(&self.settings);
            state.stylizer.set_selection(settings.selection());
            state.stylizer.set_options(settings.options());
        }
        if let Some(LoadedModel { name, model }) = lock(&self.loaded).take() {
            gst::info!(CAT, imp = self, "Going on with the model {name}");
            state.stylizer.set_model(model);
            state.model = name;
            state.gave_up = false;
        }
        if self.reset.swap(false, Ordering::SeqCst) {
            state.stylizer.reset();
        }
    }

    /// Loads the model that is asked for now, for the streaming thread to take.
    fn load_beside_stream(&self) {
        let wanted = lock(&self.settings).model.clone();
        let result = load(wanted.as_deref());
        // Another one may have been asked for since: that one's loading decides.
        let settings = lock(&self.settings);
        if settings.model != wanted || !self.started.load(Ordering::SeqCst) {
            return;
        }
        match result {
            Ok((name, model)) => *lock(&self.loaded) = Some(LoadedModel { name, model }),
            Err(error) => {
                drop(settings);
                let what = format!("{error}; the model before stays in use");
                match error {
                    ModelError::NotFound { .. } => {
                        gst::element_imp_warning!(self, gst::ResourceError::NotFound, ["{what}"]);
                    }
                    _ => gst::element_imp_warning!(self, gst::ResourceError::Read, ["{what}"]),
                }
            }
        }
    }
}

/// The model of this name, or the bundled default, and what to call it.
fn load(name: Option<&str>) -> Result<(String, Arc<Model>), ModelError> {
    let (name, model) = match name {
        Some(name) => (name.to_owned(), Model::find(name)?),
        None => {
            let model = Model::bundled_default();
            (model.card.get("name").cloned().unwrap_or_default(), model)
        }
    };
    Ok((name, Arc::new(model)))
}

/// A panic elsewhere has already become an element error; what was locked is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

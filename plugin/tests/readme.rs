//! The pipelines of the README, as they stand there: with a model that is a file of the current
//! folder. One test, as that folder is the process's.

mod common;

use common::*;
use gst::prelude::*;
use nca::model::Model;

#[test]
fn a_model_file_of_the_current_folder_is_played() {
    if !available(&["videotestsrc", "videoconvert"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // As `nca-model convert sketch sketch.pt` does it.
    let model = Model::find("sketch").unwrap();
    model.save(&folder.path().join("sketch.pt")).unwrap();
    std::env::set_current_dir(folder.path()).unwrap();
    let pictures = |model: &str| {
        let pipeline = gst::parse::launch(&format!(
            "videotestsrc pattern=ball num-buffers=5 ! video/x-raw,format=I420,width=48,height=32 ! \
             videoconvert ! ncafilter name=nca {model} qos=false ! videoconvert ! \
             video/x-raw,format=RGB ! appsink name=out sync=false"
        ))
        .unwrap()
        .downcast::<gst::Bin>()
        .unwrap();
        let sink = pipeline.by_name("out").unwrap();
        let sink = sink.downcast::<gst_app::AppSink>().unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        let frames: Vec<Vec<u8>> = std::iter::from_fn(|| sink.try_pull_sample(PATIENCE))
            .map(|sample| sample.buffer().unwrap().map_readable().unwrap().to_vec())
            .collect();
        let element = pipeline.by_name("nca").unwrap();
        let stats = element.property::<gst::Structure>("stats");
        let name = stats.get::<String>("model").unwrap();
        pipeline.set_state(gst::State::Null).unwrap();
        assert_eq!(frames.len(), 5, "{model}");
        (frames, name)
    };
    let (of_the_file, name) = pictures("model=sketch.pt");
    assert_eq!(name, "sketch.pt");
    assert_eq!(of_the_file, pictures("model=sketch").0);
}

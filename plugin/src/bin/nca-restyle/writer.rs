//! The end of a pipeline: the muxer and the file.

use std::path::Path;

use anyhow::{Context, Result};
use gst::prelude::*;
use tempfile::TempPath;

use crate::container::Container;
use crate::elements;
use crate::output::Output;
use crate::stall::Stall;

/// A pipeline that writes a video file.
pub struct Writer {
    pub pipeline: gst::Pipeline,
    pub muxer: gst::Element,
    pub container: Container,
    pub stall: Stall,
    /// Where the media is kept until the index, which goes before it, is known.
    _scratch: Option<TempPath>,
}

impl Writer {
    /// A pipeline with a muxer and a file sink.
    pub fn new(container: Container, output: &Output) -> Result<Self> {
        let muxer = container.muxer()?;
        let scratch = if container.is_iso() {
            let scratch = output.scratch()?;
            // Browsers begin to play before they have all of the file.
            muxer.set_property("faststart", true);
            muxer.set_property("faststart-file", utf8(&scratch)?);
            Some(scratch)
        } else {
            None
        };
        let file = elements::make("filesink")?;
        file.set_property("location", utf8(output.path())?);
        file.set_property("sync", false);
        let stall = Stall::default();
        stall.watch_writing(&file);
        let pipeline = gst::Pipeline::new();
        pipeline.add_many([&muxer, &file])?;
        muxer.link(&file)?;
        Ok(Self {
            pipeline,
            muxer,
            container,
            stall,
            _scratch: scratch,
        })
    }
}

fn utf8(path: &Path) -> Result<&str> {
    path.to_str()
        .with_context(|| format!("the path {} is not valid UTF-8", path.display()))
}

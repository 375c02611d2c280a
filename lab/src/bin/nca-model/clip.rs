//! How restyled clips move along with what they were made from.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use nca::Size;
use nca_lab::consistency::{Clip, ClipReport, Run, TrueFlow, WarpingError};
use serde::Serialize;

use crate::picture::{pictures_in, read_picture};

/// Measures a clip that has been restyled.
pub(crate) fn measure(
    video: &Path,
    against: &Path,
    truth: Option<&Path>,
    json: bool,
) -> anyhow::Result<()> {
    let [outputs, sources] = [video, against].map(pictures_in);
    let (outputs, sources) = (outputs?, sources?);
    ensure!(
        outputs.len() == sources.len(),
        "{} has {} pictures and {} has {}; there must be one for each frame in both",
        video.display(),
        outputs.len(),
        against.display(),
        sources.len()
    );
    let mut frames = Frames::new(truth);
    let mut error = None;
    for (output, source) in outputs.iter().zip(&sources) {
        let (size, pixels, truth) = frames.read(source)?;
        let (output_size, output_pixels) = read_picture(output)?;
        ensure!(
            output_size == size,
            "{} has {output_size} pixels; its source has {size}",
            output.display()
        );
        let error = error.get_or_insert_with(|| WarpingError::new(size));
        let measured = error.add(&pixels, &output_pixels, truth.as_ref());
        measured.with_context(|| format!("cannot measure {}", output.display()))?;
    }
    let warping = error.context("there are no frames")?.result();
    if json {
        println!("{}", serde_json::to_string_pretty(&warping)?);
    } else {
        println!("E1          {:.4}", warping.e1);
        println!("input E1    {:.4}", warping.input_e1);
        println!("detail      {:.2} of the source's", warping.detail);
        println!("compared    {:.1}% of the pixels", 100.0 * warping.compared);
        println!("pairs       {}", warping.pairs);
    }
    Ok(())
}

/// What is measured of a way to carry the state.
#[derive(Serialize)]
struct Row {
    motion: &'static str,
    #[serde(flatten)]
    report: ClipReport,
}

/// Restyles a clip in all ways of `runs`, and measures it.
pub(crate) fn restyle(
    folder: &Path,
    truth: Option<&Path>,
    runs: Vec<(&'static str, Run)>,
    json: bool,
) -> anyhow::Result<()> {
    let mut frames = Frames::new(truth);
    let mut clips = Vec::new();
    for path in pictures_in(folder)? {
        let (size, pixels, truth) = frames.read(&path)?;
        if clips.is_empty() {
            for (motion, run) in &runs {
                clips.push((*motion, Clip::new(run.clone(), size)?));
            }
        }
        for (_, clip) in &mut clips {
            let measured = clip.add(&pixels, truth.as_ref());
            measured.with_context(|| format!("cannot restyle {}", path.display()))?;
        }
    }
    let rows: Vec<_> = clips
        .iter()
        .map(|(motion, clip)| Row {
            motion,
            report: clip.result(),
        })
        .collect();
    if json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
        return Ok(());
    }
    println!("motion        E1  input E1  detail  astray  compared");
    for Row { motion, report } in &rows {
        let warping = &report.warping;
        println!(
            "{motion:<10} {:>5.4}    {:>6.4}    {:>4.2}   {:>5.3}     {:>4.1}%",
            warping.e1,
            warping.input_e1,
            warping.detail,
            report.astray,
            100.0 * warping.compared
        );
    }
    Ok(())
}

/// Reads the frames of a clip, one after the other.
struct Frames<'a> {
    truth: Option<&'a Path>,
    /// File name of the last frame, and the size of all.
    last: Option<(std::ffi::OsString, Size)>,
}

impl<'a> Frames<'a> {
    fn new(truth: Option<&'a Path>) -> Self {
        Self { truth, last: None }
    }

    /// The next frame, and the true motion to it from the last one, if that is asked for.
    fn read(&mut self, path: &Path) -> anyhow::Result<(Size, Vec<u8>, Option<TrueFlow>)> {
        let (size, pixels) = read_picture(path)?;
        let name = path.file_name().unwrap_or_default().to_owned();
        let Some((last, first)) = self.last.replace((name, size)) else {
            return Ok((size, pixels, None));
        };
        if size != first {
            bail!(
                "{} has {size} pixels; the frame before it has {first}",
                path.display()
            );
        }
        let truth = self
            .truth
            .map(|folder| true_motion(folder, Path::new(&last)));
        Ok((size, pixels, truth.transpose()?))
    }
}

/// The true motion from the frame of a file name to the next.
fn true_motion(folder: &Path, name: &Path) -> anyhow::Result<TrueFlow> {
    let mut truth = TrueFlow::read(&folder.join(name.with_extension("flo")))?;
    for masks in ["occlusions", "invalid"] {
        let mask = folder.join(masks).join(name.with_extension("png"));
        if mask.exists() {
            truth.leave_out(&mask)?;
        }
    }
    Ok(truth)
}

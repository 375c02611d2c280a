//! Sheets of pictures that show how far training has come.

use image::{RgbImage, imageops};
use tch::{Device, Kind, Tensor};

use crate::data::content::Content;
use crate::data::motion::Shot;
use crate::reports::evaluation::Clip;
use crate::rule::automaton::{Automaton, Canvas, unfrozen};
use nca::model::Playback;

/// Pixels between the pictures of a sheet.
const GAP: u32 = 4;

/// Each picture of `content` in a row: as it is, after the warm-up, and 200 steps later.
pub fn stills(automaton: &Automaton, playback: Playback, content: &Content) -> RgbImage {
    const LATER: u32 = 200;
    const LONGEST: f64 = 384.0;
    let _guard = tch::no_grad_guard();
    tch::manual_seed(0);
    let rule = automaton.rule();
    let rows = (0..content.len()).map(|i| {
        let [width, height] = content.extent(i);
        let shrink = (LONGEST / width.max(height) as f64).min(1.0);
        let size = [height, width].map(|n| (n as f64 * shrink).round() as i64);
        let picture = content.picture(i);
        let picture = picture.internal_upsample_bilinear2d_aa(size, false, None, None);
        let picture = picture.clamp(0.0, 1.0);
        let mut state = automaton.start(&picture, 1.0);
        let canvas = Canvas {
            frames: picture.shallow_clone(),
            stroke: 1.0,
        };
        let mut row = vec![picture];
        for steps in [playback.warmup, LATER] {
            state = rule.steps(&state, steps);
            row.push(rule.picture(&unfrozen(automaton, &state), Some(&canvas)));
        }
        row
    });
    sheet(&rows.collect::<Vec<_>>())
}

/// Every eighth frame of a camera that pans over a picture of `content`: the frames, and what is
/// shown with the state moved along, and with the state left where it is.
pub fn clip(automaton: &Automaton, playback: Playback, content: &Content) -> RgbImage {
    const SIZE: usize = 192;
    const FRAMES: usize = 32;
    let _guard = tch::no_grad_guard();
    tch::manual_seed(0);
    let rule = automaton.rule();
    let mut rows = vec![Vec::new(), Vec::new(), Vec::new()];
    for (row, follow) in [(1, true), (2, false)] {
        let shot = Shot::pan(0, content.extent(0), [2.0, 0.75]);
        let frame = content.frame(&shot, SIZE, SIZE);
        let mut clip = Clip::start(&rule, playback, shot, &frame);
        for i in 0..FRAMES {
            if i % 8 == 7 {
                if follow {
                    rows[0].push(content.frame(&clip.shot, SIZE, SIZE));
                }
                rows[row].push(clip.picture());
            }
            let next = clip.shot.next(SIZE);
            clip.next(content, next, follow);
        }
    }
    sheet(&rows)
}

/// Pictures 1 x 3 x H x W, row by row.
fn sheet(rows: &[Vec<Tensor>]) -> RgbImage {
    let pictures: Vec<Vec<RgbImage>> = rows
        .iter()
        .map(|row| row.iter().map(to_image).collect())
        .collect();
    let width = |row: &Vec<RgbImage>| row.iter().map(|p| p.width() + GAP).sum::<u32>();
    let height = |row: &Vec<RgbImage>| row.iter().map(|p| p.height() + GAP).max().unwrap_or(0);
    let mut sheet = RgbImage::new(
        pictures.iter().map(width).max().unwrap_or(0),
        pictures.iter().map(height).sum(),
    );
    let mut y = 0;
    for row in &pictures {
        let mut x = 0;
        for picture in row {
            imageops::replace(&mut sheet, picture, x, y);
            x += i64::from(picture.width() + GAP);
        }
        y += i64::from(height(row));
    }
    sheet
}

/// A picture 1 x 3 x H x W in [0, 1] with 8 bits.
fn to_image(picture: &Tensor) -> RgbImage {
    let (_, _, height, width) = picture.size4().expect("pictures have four dimensions");
    let pixels = (picture.squeeze_dim(0).clamp(0.0, 1.0) * 255.0)
        .round()
        .to_kind(Kind::Uint8)
        .permute([1, 2, 0])
        .to(Device::Cpu)
        .contiguous()
        .flatten(0, -1);
    let pixels = Vec::try_from(pixels).expect("they were made bytes");
    RgbImage::from_raw(width as u32, height as u32, pixels)
        .expect("there are three bytes for each pixel")
}

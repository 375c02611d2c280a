//! Restyles a picture file; without one, a picture that is drawn:
//!
//! ```text
//! cargo run --release --example restyle_picture -- portrait.jpg portrait-wave.png wave
//! ```

use std::env::args;

use image::{Rgb, RgbImage};
use nca::{FrameMut, Model, Packing, Size, Stylizer};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut picture = match args().nth(1) {
        Some(path) => image::open(path)?.into_rgb8(),
        None => drawn(),
    };
    let out = args().nth(2).unwrap_or("restyled.png".into());
    let model = match args().nth(3) {
        Some(name) => Model::find(&name)?,
        None => Model::bundled_default(),
    };
    let size = Size::new(picture.width() as usize, picture.height() as usize);
    let mut frame = FrameMut::packed(&mut picture, size.width * 3, size, Packing::RGB)?;
    // A picture has no later frames to grow on.
    let mut stylizer = Stylizer::builder(model).warmup(64).build()?;
    let outcome = stylizer.process(&mut frame)?;
    picture.save(&out)?;
    println!("{out}: {size}, {outcome:?}");
    Ok(())
}

/// A sun over hills.
fn drawn() -> RgbImage {
    RgbImage::from_fn(320, 240, |x, y| {
        let (x, y) = (x as f32, y as f32);
        let hill = 150.0 + 25.0 * (x * 0.03).sin() + 15.0 * (x * 0.011).cos();
        if y > hill {
            Rgb([60, (170.0 - 0.4 * (y - hill)) as u8, 70])
        } else if (x - 220.0).hypot(y - 70.0) < 30.0 {
            Rgb([250, 220, 90])
        } else {
            Rgb([120, 170, (235.0 - 0.3 * y) as u8])
        }
    })
}

use std::path::Path;

use anyhow::Context;
use nca::Size;

/// Size and packed RGB.
pub(crate) fn read_picture(path: &Path) -> anyhow::Result<(Size, Vec<u8>)> {
    let picture = image::open(path)
        .with_context(|| format!("cannot read the picture {}", path.display()))?
        .into_rgb8();
    let size = Size::new(picture.width() as usize, picture.height() as usize);
    Ok((size, picture.into_raw()))
}

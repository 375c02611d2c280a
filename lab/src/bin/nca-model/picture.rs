use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use nca::Size;

/// Size and packed RGB.
pub(crate) fn read_picture(path: &Path) -> anyhow::Result<(Size, Vec<u8>)> {
    let picture = image::open(path)
        .with_context(|| format!("cannot read the picture {}", path.display()))?
        .into_rgb8();
    let size = Size::new(picture.width() as usize, picture.height() as usize);
    Ok((size, picture.into_raw()))
}

/// The pictures in a folder, by name.
pub(crate) fn pictures_in(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let unreadable = || format!("cannot read the folder {}", folder.display());
    let mut pictures = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        if image::ImageFormat::from_path(&path).is_ok() {
            pictures.push(path);
        }
    }
    ensure!(
        !pictures.is_empty(),
        "there are no pictures in {}",
        folder.display()
    );
    pictures.sort();
    Ok(pictures)
}

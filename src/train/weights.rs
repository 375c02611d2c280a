//! Where networks are found: in a folder that is named, in the cache of Hugging Face's tools, or on
//! their hub.

use std::path::{Path, PathBuf};

use hf_hub::api::sync::ApiBuilder;
use hf_hub::{Cache, Repo};

use super::TrainError;

/// VGG-19 as torchvision trained it, in its names.
const VGG_REPOSITORY: &str = "timm/vgg19.tv_in1k";
const VGG_FILE: &str = "model.safetensors";

/// The files of networks of VGG's shape: all `vgg*.safetensors` in a folder, to be used together;
/// without them VGG-19 from the hub, which is downloaded once.
pub fn vgg_files(folder: Option<&Path>) -> Result<Vec<PathBuf>, TrainError> {
    if let Some(folder) = folder {
        let files = vgg_files_in(folder).map_err(|error| {
            TrainError::NoWeights(format!(
                "cannot look for weights in {}: {error}",
                folder.display()
            ))
        })?;
        if !files.is_empty() {
            return Ok(files);
        }
    }
    let file = from_hub(VGG_REPOSITORY, VGG_FILE).map_err(|why| {
        let looked = folder.map_or_else(String::new, |folder| {
            format!("there is no vgg*.safetensors in {}, and ", folder.display())
        });
        TrainError::NoWeights(format!(
            "{looked}the file {VGG_FILE} of https://huggingface.co/{VGG_REPOSITORY} is not in {} and \
             cannot be downloaded: {why}. Put it as vgg19.safetensors into a folder and name that \
             with --weights; or train with --features patches, which needs no network",
            Cache::from_env().path().display()
        ))
    })?;
    Ok(vec![file])
}

fn vgg_files_in(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("vgg") && name.ends_with(".safetensors") {
            files.push(std::path::absolute(&path)?);
        }
    }
    files.sort();
    Ok(files)
}

/// A file of a repository of models; with a progress bar where it is downloaded.
fn from_hub(repository: &str, file: &str) -> Result<PathBuf, hf_hub::api::sync::ApiError> {
    let repository = Repo::model(repository.into());
    if let Some(path) = Cache::from_env().repo(repository.clone()).get(file) {
        return Ok(path);
    }
    let api = ApiBuilder::from_env().with_progress(true).build()?;
    api.repo(repository).get(file)
}

//! Where networks are found: in a folder that is named, in the cache of Hugging Face's tools, or on
//! their hub.

use std::path::{Path, PathBuf};

use hf_hub::api::sync::ApiBuilder;
use hf_hub::{Cache, Repo};

use crate::TrainError;

/// VGG-19 as torchvision trained it, in its names.
const VGG_REPOSITORY: &str = "timm/vgg19.tv_in1k";
const VGG_FILE: &str = "model.safetensors";

/// A CLIP in the layout of Hugging Face's CLIPModel.
const CLIP_REPOSITORY: &str = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K";
const CLIP_FILES: [&str; 3] = ["config.json", "tokenizer.json", "model.safetensors"];

/// The folder of a CLIP: the one that is named or one in it, if it holds `config.json`,
/// `tokenizer.json` and `model.safetensors`; without it ViT-B/32 from the hub, which is downloaded
/// once.
pub fn clip_folder(folder: Option<&Path>) -> Result<PathBuf, TrainError> {
    let whole = |folder: &Path| CLIP_FILES.iter().all(|file| folder.join(file).is_file());
    if let Some(folder) = folder {
        let inner = std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
        let mut inner: Vec<_> = inner.flatten().map(|entry| entry.path()).collect();
        inner.sort();
        inner.insert(0, folder.into());
        if let Some(found) = inner.iter().find(|folder| whole(folder)) {
            return std::path::absolute(found).map_err(|error| unreadable(folder, &error));
        }
    }
    let mut found = None;
    for file in CLIP_FILES {
        let path = from_hub(CLIP_REPOSITORY, file).map_err(|why| {
            TrainError::NoWeights(format!(
                "the file {file} of https://huggingface.co/{CLIP_REPOSITORY} is not in {} and cannot \
                 be downloaded: {why}. Put {} of it, or of another CLIPModel, into a folder and name \
                 that with --weights",
                Cache::from_env().path().display(),
                CLIP_FILES.join(", ")
            ))
        })?;
        found = path.parent().map(Path::to_path_buf);
    }
    found.ok_or_else(|| TrainError::NoWeights(format!("{CLIP_REPOSITORY} is in no folder")))
}

fn unreadable(folder: &Path, error: &std::io::Error) -> TrainError {
    TrainError::NoWeights(format!(
        "cannot look for weights in {}: {error}",
        folder.display()
    ))
}

/// The files of networks of VGG's shape: all `vgg*.safetensors` in a folder, to be used together;
/// without them VGG-19 from the hub, which is downloaded once.
pub fn vgg_files(folder: Option<&Path>) -> Result<Vec<PathBuf>, TrainError> {
    if let Some(folder) = folder {
        let files = vgg_files_in(folder).map_err(|error| unreadable(folder, &error))?;
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

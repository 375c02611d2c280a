use std::path::Path;

use anyhow::ensure;
use nca::model::Model;

/// Writes a model in the format that the name of `output` says.
pub(crate) fn convert(input: &str, output: &Path, overwrite: bool) -> anyhow::Result<()> {
    let model = Model::find(input)?;
    ensure!(
        overwrite || !output.exists(),
        "{} exists; --overwrite replaces it",
        output.display()
    );
    Ok(model.save(output)?)
}

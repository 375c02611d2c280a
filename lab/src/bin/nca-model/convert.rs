use std::path::Path;

use nca::model::Model;

use crate::output;

/// Writes a model in the format that the name of `output` says.
pub(crate) fn convert(input: &str, output: &Path, overwrite: bool) -> anyhow::Result<()> {
    let model = Model::find(input)?;
    output::check(output, overwrite)?;
    Ok(model.save(output)?)
}

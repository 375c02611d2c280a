/// placeholder
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// placeholder
    #[error("placeholder")]
    Placeholder,
}
impl super::Model {
    /// Reads a model file; the format is told by the content, not the name.
    pub fn load(path: &std::path::Path) -> Result<Self, super::ModelError> {
        Err(super::ModelError::NotFound {
            name: path.display().to_string(),
            hint: String::new(),
        })
    }
    /// The model that `name` means: the path of a file, or the name of a bundled model.
    pub fn find(name: &str) -> Result<Self, super::ModelError> {
        Self::load(std::path::Path::new(name))
    }
    /// The bundled model that is taken where none is named.
    pub fn bundled_default() -> Self {
        let architecture = super::Architecture::published();
        let layers = architecture
            .layers()
            .into_iter()
            .map(|(outputs, inputs)| super::Layer {
                outputs,
                inputs,
                weights: vec![0.0; outputs * inputs],
                bias: None,
            })
            .collect();
        Self {
            architecture,
            layers,
            playback: Default::default(),
            card: Default::default(),
        }
    }
}

//! The models that are part of the library.

use super::Model;

/// Name and file of each; the first is the one that is taken where none is named.
const BUNDLED: [(&str, &[u8]); 3] = [
    ("sketch", include_bytes!("../../models/sketch.safetensors")),
    ("wave", include_bytes!("../../models/wave.safetensors")),
    (
        "starry-night",
        include_bytes!("../../models/starry-night.safetensors"),
    ),
];

impl Model {
    /// Names of the bundled models.
    pub fn bundled_names() -> impl Iterator<Item = &'static str> {
        BUNDLED.iter().map(|(name, _)| *name)
    }

    /// The bundled model of this name.
    pub fn bundled(name: &str) -> Option<Self> {
        let (_, bytes) = BUNDLED.iter().find(|(bundled, _)| *bundled == name)?;
        Some(Self::from_bytes(bytes).expect("a test reads every bundled model"))
    }

    /// The bundled model that is taken where none is named.
    pub fn bundled_default() -> Self {
        let (name, _) = BUNDLED[0];
        Self::bundled(name).expect("it is the first of those that are looked through")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bundled_model_can_be_had() {
        for name in Model::bundled_names() {
            let model = Model::bundled(name).unwrap();
            assert_eq!(model.card["name"], name);
        }
        assert_eq!(Model::bundled("cubist"), None);
        assert_eq!(Model::bundled_default().card["name"], "sketch");
    }
}

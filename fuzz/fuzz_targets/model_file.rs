//! Whatever a model file holds, reading it gives a model or an error; what is read can be written
//! and read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use nca::model::{FileKind, Model};

fuzz_target!(|bytes: &[u8]| {
    let Ok(model) = Model::from_bytes(bytes) else {
        return;
    };
    model
        .architecture
        .validate()
        .expect("a model that was read can be run");
    let shapes = model.layers.iter().map(|l| (l.outputs, l.inputs));
    assert!(shapes.eq(model.architecture.layers()));
    for layer in &model.layers {
        assert_eq!(layer.weights.len(), layer.outputs * layer.inputs);
        assert!(layer.weights.iter().all(|weight| weight.is_finite()));
    }
    for kind in [FileKind::Safetensors, FileKind::Pytorch] {
        assert_eq!(Model::from_bytes(&model.to_bytes(kind)).as_ref(), Ok(&model));
    }
});

use nca::model::Model;

/// Says what a model is.
pub(crate) fn info(name: &str) -> anyhow::Result<()> {
    let model = Model::find(name)?;
    let architecture = &model.architecture;
    let parameters: usize = model
        .layers
        .iter()
        .map(|layer| layer.weights.len() + layer.bias.as_ref().map_or(0, Vec::len))
        .sum();
    let playback = model.playback;
    println!("architecture  {}", serde_json::to_string(architecture)?);
    println!(
        "channels      {}: {} frozen, 3 of the picture, {} hidden",
        architecture.channels,
        architecture.frozen(),
        architecture.updated() - 3
    );
    for (i, layer) in model.layers.iter().enumerate() {
        let bias = if layer.bias.is_some() {
            "bias"
        } else {
            "no bias"
        };
        println!(
            "layer {}       {} -> {}, {bias}",
            i + 1,
            layer.inputs,
            layer.outputs
        );
    }
    println!(
        "parameters    {parameters} ({} bytes as float32)",
        parameters * 4
    );
    println!(
        "work          {} multiply-adds a pixel and step",
        architecture.multiply_adds()
    );
    println!(
        "playback      {} steps to warm up, {} a frame",
        playback.warmup, playback.steps
    );
    for (key, value) in &model.card {
        println!("{key:<13} {value}");
    }
    Ok(())
}

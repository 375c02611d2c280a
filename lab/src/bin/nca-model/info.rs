use nca::model::Model;

/// Says what a model is.
pub(crate) fn info(name: &str) -> anyhow::Result<()> {
    let model = Model::find(name)?;
    let architecture = model.architecture();
    let layers = model.layers().iter().chain(model.painter());
    let values = layers.map(|layer| layer.weights().len() + layer.bias().map_or(0, <[f32]>::len));
    let parameters: usize = values.sum();
    let playback = model.playback();
    println!("architecture  {}", serde_json::to_string(architecture)?);
    println!(
        "channels      {}: {} frozen, 3 of the picture, {} hidden",
        architecture.channels,
        architecture.frozen(),
        architecture.updated() - 3
    );
    for (kind, layers) in [("layer", model.layers()), ("painter", model.painter())] {
        for (i, layer) in layers.iter().enumerate() {
            let bias = if layer.bias().is_some() {
                "bias"
            } else {
                "no bias"
            };
            let name = format!("{kind} {}", i + 1);
            println!(
                "{name:<13} {} -> {}, {bias}",
                layer.inputs(),
                layer.outputs()
            );
        }
    }
    println!(
        "parameters    {parameters} ({} bytes as float32)",
        parameters * 4
    );
    match architecture.painter {
        None => println!(
            "work          {} multiply-adds a pixel and step",
            architecture.multiply_adds()
        ),
        Some(_) => {
            println!("cells         of {0}x{0} pixels", architecture.cell);
            println!(
                "work          {} multiply-adds a cell and step, {} a pixel and frame",
                architecture.multiply_adds(),
                architecture.work(playback.steps)
            );
        }
    }
    println!(
        "playback      {} steps to warm up, {} a frame",
        playback.warmup, playback.steps
    );
    for (key, value) in model.card() {
        println!("{key:<13} {value}");
    }
    Ok(())
}

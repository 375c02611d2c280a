//! CLIP (Radford et al., "Learning Transferable Visual Models From Natural Language Supervision",
//! 2021): pictures and sentences in one space.
//!
//! Weights, configuration and tokenizer are those of Hugging Face's `CLIPModel`, of any size.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tch::{Device, Kind, Tensor};
use tokenizers::Tokenizer;

use crate::TrainError;
use crate::networks::vgg::read_tensors;

/// Mean and deviation of the pictures that CLIP was trained on.
const MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
const DEVIATION: [f32; 3] = [0.268_629_54, 0.261_302_6, 0.275_777_1];

/// Both towers.
pub struct Clip {
    text: Tower,
    vision: Tower,
    tokens: Tensor,
    text_positions: Tensor,
    text_projection: Tensor,
    class: Tensor,
    patches: Tensor,
    vision_positions: Tensor,
    before: Norm,
    vision_projection: Tensor,
    tokenizer: Tokenizer,
    resolution: i64,
    mean: Tensor,
    deviation: Tensor,
}

#[derive(Deserialize)]
struct Config {
    text_config: TowerConfig,
    vision_config: TowerConfig,
}

/// What cannot be told from the shapes of the weights.
#[derive(Deserialize)]
struct TowerConfig {
    num_attention_heads: Option<i64>,
    hidden_act: Option<String>,
    layer_norm_eps: Option<f64>,
    image_size: Option<i64>,
}

impl Clip {
    /// Reads `config.json`, `model.safetensors` and `tokenizer.json` of a folder.
    pub fn read(folder: &Path, device: Device) -> Result<Self, TrainError> {
        let unusable = |file: &str| {
            let path: PathBuf = folder.join(file);
            move |why: String| TrainError::Network {
                path: path.clone(),
                why,
            }
        };
        let bytes = |file: &str| {
            std::fs::read(folder.join(file)).map_err(|error| unusable(file)(error.to_string()))
        };
        let config: Config = serde_json::from_slice(&bytes("config.json")?)
            .map_err(|error| unusable("config.json")(error.to_string()))?;
        let tokenizer = Tokenizer::from_file(folder.join("tokenizer.json"))
            .map_err(|error| unusable("tokenizer.json")(error.to_string()))?;
        let tensors = read_tensors(&bytes("model.safetensors")?, |_| true);
        tensors
            .and_then(|tensors| {
                let weights = Weights { tensors, device };
                Self::of(&config, &weights, tokenizer)
            })
            .map_err(unusable("model.safetensors"))
    }

    fn of(config: &Config, weights: &Weights, tokenizer: Tokenizer) -> Result<Self, String> {
        let constant = |values: [f32; 3]| {
            let tensor = Tensor::from_slice(&values).reshape([1, 3, 1, 1]);
            tensor.to(weights.device)
        };
        let embedding = "vision_model.embeddings";
        Ok(Self {
            text: Tower::of(
                weights,
                "text_model",
                "final_layer_norm",
                &config.text_config,
                8,
            )?,
            vision: Tower::of(
                weights,
                "vision_model",
                "post_layernorm",
                &config.vision_config,
                12,
            )?,
            tokens: weights.get("text_model.embeddings.token_embedding.weight")?,
            text_positions: weights.get("text_model.embeddings.position_embedding.weight")?,
            text_projection: weights.get("text_projection.weight")?,
            class: weights.get(&format!("{embedding}.class_embedding"))?,
            patches: weights.get(&format!("{embedding}.patch_embedding.weight"))?,
            vision_positions: weights.get(&format!("{embedding}.position_embedding.weight"))?,
            // The spelling is theirs.
            before: Norm::of(weights, "vision_model.pre_layrnorm", &config.vision_config)?,
            vision_projection: weights.get("visual_projection.weight")?,
            tokenizer,
            resolution: config.vision_config.image_size.unwrap_or(224),
            mean: constant(MEAN),
            deviation: constant(DEVIATION),
        })
    }

    /// Width and height of the pictures that it looks at.
    pub fn resolution(&self) -> i64 {
        self.resolution
    }

    /// The numbers of a sentence's tokens, with those of beginning and end; what is beyond the
    /// longest sentence is cut off.
    pub fn tokenize(&self, sentence: &str) -> Result<Vec<i64>, TrainError> {
        let encoding = self
            .tokenizer
            .encode(sentence, true)
            .map_err(|error| TrainError::Prompt(format!("{sentence:?}: {error}")))?;
        let mut tokens: Vec<i64> = encoding.get_ids().iter().map(|&id| id.into()).collect();
        let most = self.text_positions.size()[0] as usize;
        if let Some(end) = tokens.last().copied().filter(|_| tokens.len() > most) {
            tokens.truncate(most - 1);
            tokens.push(end);
        }
        let known = 0..self.tokens.size()[0];
        match tokens.iter().find(|token| !known.contains(token)) {
            Some(token) => Err(TrainError::Prompt(format!(
                "{sentence:?}: the tokenizer says token {token}, of which CLIP has only {}",
                known.end
            ))),
            None => Ok(tokens),
        }
    }

    /// The place of a sentence, 1 x D, not normalised.
    pub fn encode_text(&self, sentence: &str) -> Result<Tensor, TrainError> {
        let tokens = self.tokenize(sentence)?;
        let n = tokens.len() as i64;
        let tokens = Tensor::from_slice(&tokens).to(self.tokens.device());
        let values = self.tokens.index_select(0, &tokens) + self.text_positions.narrow(0, 0, n);
        // Nothing looks at what comes after it.
        let mask = Tensor::full([n, n], f64::NEG_INFINITY, (Kind::Float, values.device())).triu(1);
        let values = self.text.run(values.unsqueeze(0), Some(&mask));
        // The end of the sentence has seen all of it.
        let last = self.text.after.apply(&values.select(1, n - 1));
        Ok(last.matmul(&self.text_projection.tr()))
    }

    /// The places of pictures B x 3 x R x R in [0, 1], where R is the resolution: B x D, not
    /// normalised.
    pub fn encode_pictures(&self, pictures: &Tensor) -> Tensor {
        let pictures = (pictures - &self.mean) / &self.deviation;
        let patch = self.patches.size()[2];
        let values = pictures.conv2d(&self.patches, None::<&Tensor>, patch, 0, 1, 1);
        let values = values.flatten(2, -1).transpose(1, 2);
        let batch = values.size()[0];
        let class = self.class.reshape([1, 1, -1]).expand([batch, 1, -1], false);
        let values = Tensor::cat(&[class, values], 1) + &self.vision_positions;
        let values = self.vision.run(self.before.apply(&values), None);
        let class = self.vision.after.apply(&values.select(1, 0));
        class.matmul(&self.vision_projection.tr())
    }
}

struct Weights {
    tensors: BTreeMap<String, Tensor>,
    device: Device,
}

impl Weights {
    fn get(&self, name: &str) -> Result<Tensor, String> {
        match self.tensors.get(name) {
            Some(tensor) => Ok(tensor.to(self.device)),
            None => Err(format!("it has no tensor {name:?}, which a CLIPModel has")),
        }
    }
}

/// A transformer.
struct Tower {
    layers: Vec<Block>,
    /// Applied to what is looked at of its result.
    after: Norm,
    heads: i64,
    quick: bool,
}

struct Block {
    norms: [Norm; 2],
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
    wide: Linear,
    narrow: Linear,
}

struct Linear {
    weight: Tensor,
    bias: Tensor,
}

struct Norm {
    weight: Tensor,
    bias: Tensor,
    epsilon: f64,
}

impl Tower {
    fn of(
        weights: &Weights,
        name: &str,
        after: &str,
        config: &TowerConfig,
        heads: i64,
    ) -> Result<Self, String> {
        let heads = config.num_attention_heads.unwrap_or(heads);
        let quick = match config.hidden_act.as_deref() {
            None | Some("quick_gelu") => true,
            Some("gelu") => false,
            Some(other) => return Err(format!("its activation {other:?} is not known")),
        };
        let mut layers = Vec::new();
        loop {
            let name = format!("{name}.encoder.layers.{}", layers.len());
            if !weights
                .tensors
                .contains_key(&format!("{name}.layer_norm1.weight"))
            {
                break;
            }
            let linear = |part: &str| Linear::of(weights, &format!("{name}.{part}"));
            let norm = |part: &str| Norm::of(weights, &format!("{name}.{part}"), config);
            layers.push(Block {
                norms: [norm("layer_norm1")?, norm("layer_norm2")?],
                query: linear("self_attn.q_proj")?,
                key: linear("self_attn.k_proj")?,
                value: linear("self_attn.v_proj")?,
                out: linear("self_attn.out_proj")?,
                wide: linear("mlp.fc1")?,
                narrow: linear("mlp.fc2")?,
            });
        }
        let Some(width) = layers.first().map(|layer| layer.query.weight.size()[0]) else {
            return Err(format!(
                "it has no tensor \"{name}.encoder.layers.0.layer_norm1.weight\""
            ));
        };
        if heads < 1 || width % heads != 0 {
            return Err(format!(
                "its width of {width} cannot be divided among {heads} heads"
            ));
        }
        Ok(Self {
            layers,
            after: Norm::of(weights, &format!("{name}.{after}"), config)?,
            heads,
            quick,
        })
    }

    /// B x N x D to the same; the mask, N x N, is added to what attention weighs.
    fn run(&self, mut values: Tensor, mask: Option<&Tensor>) -> Tensor {
        for layer in &self.layers {
            values = &values + self.attention(layer, &layer.norms[0].apply(&values), mask);
            let wide = layer.wide.apply(&layer.norms[1].apply(&values));
            let wide = if self.quick {
                &wide * (&wide * 1.702).sigmoid()
            } else {
                wide.gelu("none")
            };
            values = &values + layer.narrow.apply(&wide);
        }
        values
    }

    fn attention(&self, layer: &Block, values: &Tensor, mask: Option<&Tensor>) -> Tensor {
        let (batch, n, width) = values.size3().expect("B x N x D");
        let each = width / self.heads;
        let heads = |linear: &Linear| {
            let values = linear.apply(values).reshape([batch, n, self.heads, each]);
            values.transpose(1, 2)
        };
        let weights = heads(&layer.query).matmul(&heads(&layer.key).transpose(2, 3));
        let mut weights = weights / (each as f64).sqrt();
        if let Some(mask) = mask {
            weights += mask;
        }
        let seen = weights
            .softmax(-1, Kind::Float)
            .matmul(&heads(&layer.value));
        layer
            .out
            .apply(&seen.transpose(1, 2).reshape([batch, n, width]))
    }
}

impl Linear {
    fn of(weights: &Weights, name: &str) -> Result<Self, String> {
        Ok(Self {
            weight: weights.get(&format!("{name}.weight"))?,
            bias: weights.get(&format!("{name}.bias"))?,
        })
    }

    fn apply(&self, values: &Tensor) -> Tensor {
        values.matmul(&self.weight.tr()) + &self.bias
    }
}

impl Norm {
    fn of(weights: &Weights, name: &str, config: &TowerConfig) -> Result<Self, String> {
        Ok(Self {
            weight: weights.get(&format!("{name}.weight"))?,
            bias: weights.get(&format!("{name}.bias"))?,
            epsilon: config.layer_norm_eps.unwrap_or(1e-5),
        })
    }

    fn apply(&self, values: &Tensor) -> Tensor {
        let shape = self.weight.size();
        values.layer_norm(
            shape,
            Some(&self.weight),
            Some(&self.bias),
            self.epsilon,
            false,
        )
    }
}

// `crate::noise::uniform`, to the bit.
fn noise(seed: vec2<u32>, channel: u32, y: u32, x: u32) -> f32 {
    var v = vec4(x, y, channel ^ seed.x, seed.y ^ 0x9e3779b9u) * 1664525u + 1013904223u;
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    v ^= v >> vec4(16u);
    v.x += v.y * v.w;
    return f32(v.x >> 8u) / 16777216.0 - 0.5;
}

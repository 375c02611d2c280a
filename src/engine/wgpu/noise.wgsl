// `crate::noise::uniform`, to the bit.
fn noise(seed: vec2<u32>, channel: u32, y: u32, x: u32) -> f32 {
    let key = pcg4d(vec4(seed, channel, 0u));
    // Both are exact, where a division need not be.
    return f32(pcg4d(key ^ vec4(x, y, 0u, 0u)).x >> 8u) * (1.0 / 16777216.0) - 0.5;
}

fn pcg4d(place: vec4<u32>) -> vec4<u32> {
    var v = place * 1664525u + 1013904223u;
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    v ^= v >> vec4(16u);
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    return v;
}


@group(0) @binding(0) var<storage, read> taps: array<f32>;
@group(0) @binding(1) var<storage, read> from_values: array<f32>;
@group(0) @binding(2) var<storage, read_write> to_values: array<f32>;

// The sums along columns of every blurred channel.
@compute @workgroup_size(32, 4)
fn blur_columns(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= WIDTH || id.y >= HEIGHT {
        return;
    }
    let radius = i32(RADIUS[id.z]);
    var sum = 0.0;
    for (var i = -radius; i <= radius; i++) {
        let row = beyond(i32(id.y) + i, HEIGHT);
        let value = from_values[CHANNEL[id.z] * PIXELS + row * WIDTH + id.x];
        sum = fma(taps[i32(START[id.z]) + radius + i], value, sum);
    }
    to_values[id.z * PIXELS + id.y * WIDTH + id.x] = sum;
}

// Those sums along rows: the blurred channels.
@compute @workgroup_size(32, 4)
fn blur_rows(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= WIDTH || id.y >= HEIGHT {
        return;
    }
    let radius = i32(RADIUS[id.z]);
    let row = id.y * WIDTH;
    var sum = 0.0;
    for (var i = -radius; i <= radius; i++) {
        let value = from_values[id.z * PIXELS + row + beyond(i32(id.x) + i, WIDTH)];
        sum = fma(taps[i32(START[id.z]) + radius + i], value, sum);
    }
    to_values[CHANNEL[id.z] * PIXELS + row + id.x] = sum;
}

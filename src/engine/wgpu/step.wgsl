
struct Results {
    not_finite: atomic<u32>,
    pixels: array<u32>,
}

@group(0) @binding(0) var<storage, read> weights: array<Values>;
@group(0) @binding(1) var<storage, read> frozen: array<f32>;
@group(0) @binding(2) var<storage, read> cells: array<f32>;
// Where a channel is blurred, its blur when the kernel starts.
@group(0) @binding(3) var<storage, read_write> next: array<f32>;
@group(0) @binding(4) var<storage, read_write> results: Results;
// Whether each tile is to be computed.
@group(0) @binding(5) var<storage, read> wanted: array<u32>;

var<workgroup> panel: array<Values, ROWS * GROUPS>;

// Four pixels of a row, and those left and right of each.
struct Row {
    left: vec4<f32>,
    middle: vec4<f32>,
    right: vec4<f32>,
}

// Where six pixels of a row are: the four, and one on either side.
struct Columns {
    first: vec4<u32>,
    last: vec2<u32>,
}

fn row_of(first: vec4<f32>, last: vec2<f32>) -> Row {
    return Row(first, vec4(first.yzw, last.x), vec4(first.zw, last));
}

fn frozen_row(start: u32, columns: Columns) -> Row {
    let first = start + columns.first;
    let last = start + columns.last;
    return row_of(
        vec4(frozen[first.x], frozen[first.y], frozen[first.z], frozen[first.w]),
        vec2(frozen[last.x], frozen[last.y]),
    );
}

fn cells_row(start: u32, columns: Columns) -> Row {
    let first = start + columns.first;
    let last = start + columns.last;
    return row_of(
        vec4(cells[first.x], cells[first.y], cells[first.z], cells[first.w]),
        vec2(cells[last.x], cells[last.y]),
    );
}

// Perceives every `SHARES`th channel of a group. What lies beyond the edges is read where the
// border says; so is what a tile reaches over the right and lower edge, where nothing is written.
fn perceive(x: u32, y: u32, group: u32, share: u32) {
    let left = i32(x) - 1;
    let columns = Columns(
        vec4(beyond(left, WIDTH), beyond(left + 1, WIDTH), beyond(left + 2, WIDTH), beyond(left + 3, WIDTH)),
        vec2(beyond(left + 4, WIDTH), beyond(left + 5, WIDTH)),
    );
    let top = i32(y) - 1;
    let rows = vec3(beyond(top, HEIGHT), beyond(top + 1, HEIGHT), beyond(top + 2, HEIGHT)) * WIDTH;
    var channel = share;
    for (; channel < FROZEN; channel += SHARES) {
        let at = rows + channel * PIXELS;
        respond(
            frozen_row(at.x, columns),
            frozen_row(at.y, columns),
            frozen_row(at.z, columns),
            channel,
            group,
        );
    }
    for (; channel < CHANNELS; channel += SHARES) {
        let at = rows + (channel - FROZEN) * PIXELS;
        respond(
            cells_row(at.x, columns),
            cells_row(at.y, columns),
            cells_row(at.z, columns),
            channel,
            group,
        );
    }
}

// Writes four pixels' values and responses to both Sobel filters and the Laplacian.
fn respond(above: Row, at: Row, below: Row, channel: u32, group: u32) {
    let top = above.left + 2.0 * above.middle + above.right;
    let bottom = below.left + 2.0 * below.middle + below.right;
    let sobel_x = (above.right - above.left) + 2.0 * (at.right - at.left) + (below.right - below.left);
    let laplacian = top + 2.0 * (at.left + at.right) - 12.0 * at.middle + bottom;
    let row = channel * 4u * GROUPS + group;
    panel[row] = Values(at.middle);
    panel[row + GROUPS] = Values(sobel_x);
    panel[row + 2u * GROUPS] = Values(bottom - top);
    panel[row + 3u * GROUPS] = Values(laplacian);
}

// Adds the update of four pixels to an updated channel, or to its blur.
fn add(x: u32, y: u32, channel: u32, update: vec4<f32>) {
    if channel >= UPDATED || y >= HEIGHT {
        return;
    }
    let blurs = select(BLURRED_LOW, BLURRED_HIGH, channel >= 32u);
    let blurred = (blurs >> (channel % 32u) & 1u) == 1u;
    let at = channel * PIXELS + y * WIDTH + x;
    let space = WIDTH - min(x, WIDTH);
    let finite = add_one(at, update.x, blurred, space > 0u)
        & add_one(at + 1u, update.y, blurred, space > 1u)
        & add_one(at + 2u, update.z, blurred, space > 2u)
        & add_one(at + 3u, update.w, blurred, space > 3u);
    if !finite {
        atomicStore(&results.not_finite, 1u);
    }
}

// Says whether the new value is finite.
fn add_one(at: u32, update: f32, blurred: bool, within: bool) -> bool {
    if !within {
        return true;
    }
    var value = update;
    if blurred {
        value += next[at];
    } else {
        value += cells[at];
    }
    next[at] = value;
    // By its bits: compilers may take it for granted that a comparison sees no NaN.
    return (bitcast<u32>(value) & 0x7f800000u) != 0x7f800000u;
}

@compute @workgroup_size(THREADS)
fn step(
    @builtin(workgroup_id) tile: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    if wanted[tile.y * TILES + tile.x] == 0u {
        return;
    }
    let group = thread % GROUPS;
    let share = thread / GROUPS;
    let x = tile.x * TILE_WIDTH + group % (TILE_WIDTH / 4u) * 4u;
    let y = tile.y * TILE_HEIGHT + group / (TILE_WIDTH / 4u);
    perceive(x, y, group, share);
    workgroupBarrier();
    /* layers */
}

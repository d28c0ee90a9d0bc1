//! What several fuzz targets do with their input.

/// The sizes of chunks in the first line of `input`, and the bytes that are to arrive in them.
#[must_use]
pub fn sizes_and_bytes(input: &[u8]) -> (&[u8], &[u8]) {
    let end = input.iter().position(|&byte| byte == b'\n').map_or(input.len(), |at| at + 1);
    input.split_at(end)
}

/// `sent` in chunks of these sizes, over and over.
pub fn chunks<'a>(mut sent: &'a [u8], sizes: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let sizes = sizes.iter().chain([&b'\n']).map(|&byte| usize::from(byte) + 1).cycle();
    sizes.map_while(move |size| {
        let chunk;
        (chunk, sent) = sent.split_at(size.min(sent.len()));
        (!chunk.is_empty()).then_some(chunk)
    })
}

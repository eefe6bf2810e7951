//! What is known of a post, as scripts keep it (`known` in `lua/common.lua`): the few forms of MessagePack that takes.

/// A map under way.
pub(super) struct Map(Vec<u8>);

impl Map {
    /// One with so many entries; below 16.
    pub(super) fn of(entries: u8) -> Self {
        debug_assert!(entries < 16, "a short map");
        Self(vec![0x80 | entries])
    }

    pub(super) fn text(mut self, key: &str, text: &str) -> Self {
        self.put(key);
        self.put(text);
        self
    }

    pub(super) fn texts(mut self, key: &str, texts: &[impl AsRef<str>]) -> Self {
        self.put(key);
        self.head(0xdd, texts.len());
        for text in texts {
            self.put(text.as_ref());
        }
        self
    }

    pub(super) fn number(mut self, key: &str, number: usize) -> Self {
        self.put(key);
        self.head(0xce, number);
        self
    }

    pub(super) fn bytes(self) -> Vec<u8> {
        self.0
    }

    fn put(&mut self, text: &str) {
        match u8::try_from(text.len()) {
            Ok(length) if length < 32 => self.0.push(0xa0 | length),
            Ok(length) => self.0.extend([0xd9, length]),
            Err(_) => self.head(0xdb, text.len()),
        }
        self.0.extend_from_slice(text.as_bytes());
    }

    /// A form with a number of four bytes.
    fn head(&mut self, form: u8, number: usize) {
        let number = u32::try_from(number).expect("a post is far below 4 GiB");
        self.0.push(form);
        self.0.extend(number.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_written_as_its_readers_expect() {
        let long = "x".repeat(40);
        let map = Map::of(3)
            .text("k", &long)
            .texts("a", &["b"])
            .number("z", 258)
            .bytes();
        let mut expected = vec![0x83, 0xa1, b'k', 0xd9, 40];
        expected.extend(long.bytes());
        expected.extend([0xa1, b'a', 0xdd, 0, 0, 0, 1, 0xa1, b'b']);
        expected.extend([0xa1, b'z', 0xce, 0, 0, 1, 2]);
        assert_eq!(map, expected);
    }
}

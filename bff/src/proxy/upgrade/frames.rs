//! Where the frames of a WebSocket begin and end (RFC 6455 §5.2), so that a frame of ours is never put inside another.
//! Nothing is decoded: sub-protocols and extensions are a matter between the two ends.

/// The longest head of a frame: two bytes, eight of length, four of mask.
const LONGEST_HEAD: usize = 14;
const CLOSE: u8 = 8;
/// Opcodes from here on are of control frames.
const CONTROL: u8 = 8;
/// What a control frame may carry (§5.5), without the two bytes of the code.
const LONGEST_REASON: usize = 123;

/// One direction of a WebSocket, as far as it has passed.
#[derive(Debug, Default)]
pub(super) struct Frames {
    head: [u8; LONGEST_HEAD],
    head_read: usize,
    payload_left: u64,
    data_frames: u64,
    is_closing: bool,
}

impl Frames {
    /// Takes in the bytes up to the next end of a frame, and says how many those are; all, if there is no end in them.
    pub(super) fn take_frame(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while self.payload_left == 0 {
            let Some(byte) = bytes.get(taken) else {
                return taken;
            };
            self.head[self.head_read] = *byte;
            self.head_read += 1;
            taken += 1;
            if self.head_read >= 2 && self.head_read == head_length(self.head[1]) {
                self.begin();
                if self.payload_left == 0 {
                    return taken;
                }
            }
        }
        let rest = u64::try_from(bytes.len() - taken).unwrap_or(u64::MAX);
        let part = rest.min(self.payload_left);
        self.payload_left -= part;
        // No more than the bytes at hand.
        taken + usize::try_from(part).unwrap_or(usize::MAX)
    }

    /// Takes in all bytes.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = &rest[self.take_frame(rest)..];
        }
    }

    /// Whether what has passed ends with a frame.
    pub(super) const fn is_between_frames(&self) -> bool {
        self.head_read == 0 && self.payload_left == 0
    }

    /// Whether this direction has said that it closes.
    pub(super) const fn is_closing(&self) -> bool {
        self.is_closing
    }

    /// How many frames with data began.
    pub(super) const fn data_frames(&self) -> u64 {
        self.data_frames
    }

    /// The head is whole.
    fn begin(&mut self) {
        let opcode = self.head[0] & 0x0f;
        self.is_closing |= opcode == CLOSE;
        self.data_frames += u64::from(opcode < CONTROL);
        let head = self.head;
        self.payload_left = match head[1] & 0x7f {
            126 => u64::from(u16::from_be_bytes([head[2], head[3]])),
            127 => u64::from_be_bytes([
                head[2], head[3], head[4], head[5], head[6], head[7], head[8], head[9],
            ]),
            short => u64::from(short),
        };
        self.head_read = 0;
    }
}

/// How long a head is, by its second byte.
const fn head_length(second: u8) -> usize {
    let length = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    2 + length + mask
}

/// A close frame; with a mask if it goes to a server (§5.3).
pub(super) fn close(code: u16, reason: &str, mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut payload = code.to_be_bytes().to_vec();
    // Reasons of ours are short and ASCII.
    payload.extend(reason.bytes().take(LONGEST_REASON));
    let length = u8::try_from(payload.len()).unwrap_or(u8::MAX);
    let mut frame = vec![0x80 | CLOSE, length];
    if let Some(mask) = mask {
        frame[1] |= 0x80;
        frame.extend(mask);
        for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
            *byte ^= mask;
        }
    }
    frame.append(&mut payload);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(opcode: u8, length: usize, mask: bool) -> Vec<u8> {
        let mut frame = vec![0x80 | opcode];
        let bit = if mask { 0x80 } else { 0 };
        match length {
            0..=125 => frame.push(bit | length as u8),
            126..=0xffff => {
                frame.push(bit | 126);
                frame.extend((length as u16).to_be_bytes());
            }
            _ => {
                frame.push(bit | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend([0xff; 4].iter().take(if mask { 4 } else { 0 }));
        frame.extend(std::iter::repeat_n(0x88, length));
        frame
    }

    /// Whatever the pieces are, the ends of the frames are where they are.
    #[test]
    fn frames_end_where_they_end_in_whatever_pieces_they_come() {
        let lengths = [0, 1, 125, 126, 127, 0xffff, 0x1_0000];
        let all: Vec<Vec<u8>> = lengths
            .iter()
            .flat_map(|length| [frame(2, *length, false), frame(1, *length, true)])
            .collect();
        let mut ends = Vec::new();
        let mut bytes = Vec::new();
        for frame in &all {
            bytes.extend(frame);
            ends.push(bytes.len());
        }
        for piece in [1, 2, 3, 7, 1000, bytes.len()] {
            let (mut frames, mut passed, mut seen) = (Frames::default(), 0, Vec::new());
            for mut rest in bytes.chunks(piece) {
                while !rest.is_empty() {
                    let taken = frames.take_frame(rest);
                    assert!(taken > 0);
                    passed += taken;
                    rest = &rest[taken..];
                    if frames.is_between_frames() {
                        seen.push(passed);
                    }
                }
            }
            assert_eq!(seen, ends, "in pieces of {piece}");
            assert_eq!(frames.data_frames(), all.len() as u64);
            assert!(!frames.is_closing());
        }
    }

    #[test]
    fn control_frames_are_no_data_and_close_is_noticed() {
        let mut frames = Frames::default();
        frames.take(&frame(9, 3, true));
        frames.take(&frame(10, 0, true));
        assert_eq!((frames.data_frames(), frames.is_closing()), (0, false));
        frames.take(&frame(0, 3, true));
        assert_eq!(frames.data_frames(), 1);
        frames.take(&frame(8, 2, true)[..4]);
        assert!(!frames.is_closing() && !frames.is_between_frames());
        frames.take(&frame(8, 2, true)[4..]);
        assert!(frames.is_closing() && frames.is_between_frames());
    }

    #[test]
    fn a_length_that_never_comes_is_no_overflow() {
        let mut frames = Frames::default();
        frames.take(&[0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]);
        assert!(!frames.is_between_frames());
    }

    #[test]
    fn a_close_frame_says_code_and_reason() {
        assert_eq!(close(1001, "", None), [0x88, 2, 0x03, 0xe9]);
        assert_eq!(close(1008, "x", None), [0x88, 3, 0x03, 0xf0, b'x']);
        assert_eq!(
            close(1001, "", Some([1, 2, 3, 4])),
            [0x88, 0x82, 1, 2, 3, 4, 0x02, 0xeb]
        );
        let mut frames = Frames::default();
        frames.take(&close(1008, &"x".repeat(200), None));
        assert!(frames.is_between_frames());
    }
}

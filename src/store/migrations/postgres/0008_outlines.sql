-- What a waveform is drawn from, in base64: made once by reading the recording, gone with its audio.
ALTER TABLE recordings ADD COLUMN outline TEXT;

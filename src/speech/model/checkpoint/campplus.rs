//! The tensors of CAM++: a head of two-dimensional convolutions, then three blocks whose layers see all layers before.
//!
//! Source: Wang and others, "CAM++: A fast and efficient network for speaker verification using context-aware masking",
//! Interspeech 2023; names and sizes as 3D-Speaker publishes them for Chinese and English, 16 kHz.

/// Bands that come in, and numbers of a voice.
const BANDS: usize = 80;
const DIMENSIONS: usize = 192;

/// Channels of the head.
const HEAD: usize = 32;

/// Channels that each layer of a block adds, that it computes in between, and that decide its mask.
const GROWTH: usize = 32;
const BETWEEN: usize = 4 * GROWTH;
const MASK: usize = BETWEEN / 2;

/// Layers of each block.
const BLOCKS: [usize; 3] = [12, 24, 16];

/// Returns every tensor by name and shape; counters of training are none of them.
pub(super) fn tensors() -> Vec<(String, Vec<usize>)> {
    let mut list = List(Vec::new());
    list.head();
    list.weight("xvector.tdnn.linear", &[BETWEEN, HEAD * BANDS / 8, 5]);
    list.norm("xvector.tdnn.nonlinear.batchnorm", BETWEEN);
    let mut channels = BETWEEN;
    for (index, layers) in BLOCKS.into_iter().enumerate() {
        for layer in 0..layers {
            let name = format!("xvector.block{}.tdnnd{}", index + 1, layer + 1);
            list.layer(&name, channels + layer * GROWTH);
        }
        channels += layers * GROWTH;
        let transit = format!("xvector.transit{}", index + 1);
        list.norm(&format!("{transit}.nonlinear.batchnorm"), channels);
        list.weight(&format!("{transit}.linear"), &[channels / 2, channels, 1]);
        channels /= 2;
    }
    list.norm("xvector.out_nonlinear.batchnorm", channels);
    // The mean and the deviation of every channel.
    list.weight("xvector.dense.linear", &[DIMENSIONS, 2 * channels, 1]);
    list.add("xvector.dense.nonlinear.batchnorm.running_mean", &[DIMENSIONS]);
    list.add("xvector.dense.nonlinear.batchnorm.running_var", &[DIMENSIONS]);
    list.0
}

struct List(Vec<(String, Vec<usize>)>);

impl List {
    fn add(&mut self, name: &str, shape: &[usize]) {
        self.0.push((name.to_owned(), shape.to_vec()));
    }

    fn weight(&mut self, name: &str, shape: &[usize]) {
        self.add(&format!("{name}.weight"), shape);
    }

    fn norm(&mut self, name: &str, channels: usize) {
        for kind in ["weight", "bias", "running_mean", "running_var"] {
            self.add(&format!("{name}.{kind}"), &[channels]);
        }
    }

    fn head(&mut self) {
        self.weight("head.conv1", &[HEAD, 1, 3, 3]);
        self.norm("head.bn1", HEAD);
        for (layer, part) in [(1, 0), (1, 1), (2, 0), (2, 1)] {
            let name = format!("head.layer{layer}.{part}");
            for index in 1..=2 {
                self.weight(&format!("{name}.conv{index}"), &[HEAD, HEAD, 3, 3]);
                self.norm(&format!("{name}.bn{index}"), HEAD);
            }
            // The first part of each layer halves the bands, and so must what passes by.
            if part == 0 {
                self.weight(&format!("{name}.shortcut.0"), &[HEAD, HEAD, 1, 1]);
                self.norm(&format!("{name}.shortcut.1"), HEAD);
            }
        }
        self.weight("head.conv2", &[HEAD, HEAD, 3, 3]);
        self.norm("head.bn2", HEAD);
    }

    fn layer(&mut self, name: &str, channels: usize) {
        self.norm(&format!("{name}.nonlinear1.batchnorm"), channels);
        self.weight(&format!("{name}.linear1"), &[BETWEEN, channels, 1]);
        self.norm(&format!("{name}.nonlinear2.batchnorm"), BETWEEN);
        self.weight(&format!("{name}.cam_layer.linear_local"), &[GROWTH, BETWEEN, 3]);
        self.weight(&format!("{name}.cam_layer.linear1"), &[MASK, BETWEEN, 1]);
        self.add(&format!("{name}.cam_layer.linear1.bias"), &[MASK]);
        self.weight(&format!("{name}.cam_layer.linear2"), &[GROWTH, MASK, 1]);
        self.add(&format!("{name}.cam_layer.linear2.bias"), &[GROWTH]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_there_once_and_the_blocks_grow_as_published() {
        let list = tensors();
        let mut names: Vec<&str> = list.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        assert!(names.is_sorted_by(|a, b| a < b));
        let shape =
            |wanted: &str| list.iter().find(|(name, _)| name == wanted).map(|(_, shape)| shape.clone());
        assert_eq!(shape("xvector.block3.tdnnd16.linear1.weight"), Some(vec![128, 992, 1]));
        assert_eq!(shape("xvector.dense.linear.weight"), Some(vec![192, 1024, 1]));
        assert_eq!(names.len(), 815);
    }
}

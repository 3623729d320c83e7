#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "gradatim/data/dataset.hpp"
#include "gradatim/nn/network.hpp"
#include "gradatim/nn/parameters.hpp"
#include "gradatim/train/scores.hpp"

namespace gradatim {

/// All that prediction needs: no recipe, no data.
struct Model {
  Network network;
  Parameters parameters;
  std::vector<std::string> class_names{};  // of the outputs, in order; may be empty
  Columns columns{};  // what the inputs are, unless images, and outputs that are no classes
  TargetKind kind = TargetKind::classes;
};

/// Writes a safetensors file, whole or not at all: the tensors by their names ("dense1.weight") and
/// as metadata "gradatim.network" (TOML, see parse_network), "gradatim.classes" (a JSON array of
/// strings) and "gradatim.inputs" (what the network takes: "bytes / 255"). A network on features
/// has "gradatim.features" (a JSON array of {name, mean, deviation}) and "(x - mean) / deviation";
/// one whose outputs are no classes has "gradatim.targets" ({kind: "values" or "labels", columns},
/// these an array like the features': an output times deviation plus mean is in the target's unit).
/// "gradatim.parameters_sha256" is parameters_sha256(); whoever changes the weights drops it.
/// Throws InvalidArgument if the outputs are no classes and columns.targets are not as many.
void save_model(const std::filesystem::path& path, const Model& model);

/// Reads what save_model wrote. Throws DataError naming the file if it is damaged (see
/// read_safetensors), holds no network, tensors that are not those of its network or not of their
/// hash, if it has one, or values that are not finite.
Model load_model(const std::filesystem::path& path);

/// Fills the parameters of a network from a file by tensor name, whoever wrote it. Throws DataError
/// naming the file and the first tensor that is missing, superfluous, of another shape or not
/// finite; or saying that the file is damaged, where it holds a network and a hash of that one's
/// parameters, and they are others.
void load_parameters(const std::filesystem::path& path, Parameters& parameters);

/// SHA-256 of the raw float32 parameters, little-endian.
std::string parameters_sha256(std::span<const float> theta);

}  // namespace gradatim

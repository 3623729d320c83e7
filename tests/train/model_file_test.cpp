#include "gradatim/train/model_file.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "gradatim/io/file.hpp"
#include "gradatim/io/safetensors.hpp"
#include "gradatim/nn/program.hpp"
#include "gradatim/train/recipe.hpp"
#include "support/errors.hpp"
#include "support/numbers.hpp"
#include "support/temporary_folder.hpp"

namespace gradatim {
namespace {

using test::message_of;

const Network kNetwork({6}, {Dense{5, Xavier{}}, Tanh{}, Dense{3, Xavier{}}});

Model sample_model() {
  return {kNetwork, initialize(kNetwork, 7), {"T-shirt/top", "Größe \"9\"", ""}};
}

std::string refusal(const std::filesystem::path& path) {
  return message_of<DataError>([&] { load_model(path); });
}

TEST(ModelFile, ReloadedModelPredictsTheSameBits) {
  const test::TemporaryFolder folder;
  const Model model = sample_model();
  save_model(folder / "m", model);
  const Model loaded = load_model(folder / "m");
  EXPECT_EQ(loaded.network, model.network);
  EXPECT_EQ(loaded.class_names, model.class_names);
  EXPECT_EQ(loaded.parameters.layout(), model.parameters.layout());
  const Tensor inputs = test::uniform_tensor({9, 6}, 1);
  EXPECT_EQ(predict(loaded.network, loaded.parameters.theta(), inputs),
            predict(model.network, model.parameters.theta(), inputs));
  EXPECT_EQ(parameters_sha256(loaded.parameters.theta()),
            parameters_sha256(model.parameters.theta()));
}

TEST(ModelFile, HoldsResidualNetworks) {
  const test::TemporaryFolder folder;
  const Network network({6}, {LayerNorm{0.25F}, Dense{6, Xavier{}, Ones{}}, Dropout{0.75F},
                              Residual{2}, BatchNorm{.momentum = 0.5F}, Dense{3}});
  Model model{network, initialize(network, 7), {}};
  std::ranges::fill(model.parameters["batch_norm1.running_mean"].values(), 0.5F);
  save_model(folder / "m", model);
  EXPECT_EQ(read_safetensors(folder / "m").tensors[0].name, "layer_norm1.weight");
  const Model loaded = load_model(folder / "m");
  EXPECT_EQ(loaded.network, network);
  const Tensor inputs = test::uniform_tensor({9, 6}, 1);
  EXPECT_EQ(predict(loaded.network, loaded.parameters.theta(), inputs),
            predict(network, model.parameters.theta(), inputs));
}

TEST(ModelFile, HoldsTheColumnsOfItsInputsAndOutputsAndTheirScaling) {
  const test::TemporaryFolder folder;
  Model model{Network({2}, {Dense{1}}), Parameters(parameter_layout(Network({2}, {Dense{1}})))};
  model.columns = {.features = {{"rooms", 3.25F, 1.5F}, {"area, m²", 90, 41.7F}},
                   .targets = {{"price", 251'344.5F, 90'000.1F}}};
  model.kind = TargetKind::values;
  save_model(folder / "m", model);
  const Model loaded = load_model(folder / "m");
  EXPECT_EQ(loaded.kind, TargetKind::values);
  EXPECT_EQ(loaded.columns.features, model.columns.features);
  EXPECT_EQ(loaded.columns.targets, model.columns.targets);
  const auto unsaved = [&] {
    return message_of<InvalidArgument>([&] { save_model(folder / "n", model); });
  };
  model.columns.targets[0].deviation = 0;
  EXPECT_CONTAINS(unsaved(),
                  "expected 1 columns of targets, of finite mean and positive deviation");
  model.columns.targets.clear();
  EXPECT_CONTAINS(unsaved(), "got 0 columns");
  Metadata metadata = read_safetensors(folder / "m").metadata;
  std::string& targets = metadata.at("gradatim.targets");
  targets.replace(targets.find("\"deviation\":"), 12, "\"deviation\":-");
  const std::vector<NamedView> views{{"dense1.weight", model.parameters["dense1.weight"]},
                                     {"dense1.bias", model.parameters["dense1.bias"]}};
  write_safetensors(folder / "bad", metadata, views);
  EXPECT_CONTAINS(refusal(folder / "bad"), "expected 'gradatim.targets' to be 1 columns of finite");
}

TEST(ModelFile, NamesItsTensorsForOtherPrograms) {
  const test::TemporaryFolder folder;
  save_model(folder / "m", sample_model());
  const SafetensorsFile file = read_safetensors(folder / "m");
  ASSERT_EQ(file.tensors.size(), 4U);
  EXPECT_EQ(file.tensors[0].name, "dense1.weight");
  EXPECT_EQ(file.tensors[0].values.shape(), (Shape{6, 5}));
  EXPECT_EQ(file.tensors[3].name, "dense2.bias");
  EXPECT_EQ(file.metadata.at("gradatim.network"), to_toml(kNetwork));
}

TEST(ModelFile, CutAtAnyByteItIsRefusedByName) {
  const test::TemporaryFolder folder;
  save_model(folder / "m", sample_model());
  const std::string whole = read_file(folder / "m");
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    write_file(folder / "cut", std::string_view(whole).substr(0, size));
    EXPECT_CONTAINS(refusal(folder / "cut"), (folder / "cut").string());
  }
}

// Files that are well-formed safetensors, and yet not models.
TEST(ModelFile, RefusesMetadataThatDescribeNoNetworkOrAnother) {
  const test::TemporaryFolder folder;
  const auto path = folder / "m";
  const Model model = sample_model();
  std::vector<NamedView> views;
  for (const ParameterTensor& tensor : model.parameters.layout().tensors)
    views.push_back({tensor.name, model.parameters[tensor.name]});
  const auto refusal_of = [&](const Metadata& metadata, std::span<const NamedView> tensors) {
    write_safetensors(path, metadata, tensors);
    return refusal(path);
  };
  const auto describing = [](const Network& network) {
    return Metadata{{"gradatim.network", to_toml(network)}};
  };
  EXPECT_CONTAINS(refusal_of({}, views), "its metadata have no 'gradatim.network'");
  EXPECT_CONTAINS(refusal_of({{"gradatim.network", "input = [6]\nlayers = [\"relux\"]"}}, views),
                  "gradatim.network:2:11: layers[0]: unknown name 'relux'; did you mean 'relu'?");
  EXPECT_CONTAINS(refusal_of({{"gradatim.network", "input = ["}}, views), "gradatim.network:1:");
  std::string deep = "a";
  for (int i = 0; i < 30'000; ++i) deep += ".a";
  EXPECT_CONTAINS(refusal_of({{"gradatim.network", deep + "=1"}}, views),
                  "gradatim.network:1:32: expected a key of at most 16 dotted parts");
  EXPECT_CONTAINS(refusal_of({{"gradatim.network", std::string(70'000, '#')}}, views),
                  "gradatim.network: expected at most 65536 bytes, got 70000");
  EXPECT_CONTAINS(refusal_of(describing(Network({6}, {Dense{5}})), views),
                  "its network has 35 parameters, its tensors 53");
  // A file of a kilobyte must not make us take the memory that it boasts of.
  EXPECT_CONTAINS(refusal_of(describing(Network({4'000'000'000}, {Dense{4'000'000'000}})), views),
                  "parameters, its tensors 53");
  EXPECT_CONTAINS(
      refusal_of(describing(Network({6}, {Dense{5}, Dense{3}, Relu{}})), {views.data(), 3}),
      "its network has 53 parameters, its tensors 50");
  Metadata classes = describing(kNetwork);
  classes["gradatim.classes"] = "[1, 2]";
  EXPECT_CONTAINS(refusal_of(classes, views),
                  "expected 'gradatim.classes' to be an array of strings");
  classes["gradatim.classes"] = "[\"a\"";
  EXPECT_CONTAINS(refusal_of(classes, views), "array of strings");
}

TEST(ModelFile, RefusesValuesThatAreNotFinite) {
  const test::TemporaryFolder folder;
  for (const float value : {NAN, -INFINITY}) {
    Model model = sample_model();
    model.parameters["dense2.bias"].values()[1] = value;
    save_model(folder / "m", model);
    const std::string message =
        fmt::format("model {}: tensor 'dense2.bias': expected finite values, got {} at 1",
                    (folder / "m").string(), value);
    EXPECT_EQ(refusal(folder / "m"), message);
    EXPECT_EQ(message_of<DataError>([&] { load_parameters(folder / "m", model.parameters); }),
              message);
  }
}

// A flipped bit leaves most floats finite.
TEST(ModelFile, RefusesParametersThatAreNotThoseOfTheirHash) {
  const test::TemporaryFolder folder;
  const Model model = sample_model();
  save_model(folder / "m", model);
  std::string bytes = read_file(folder / "m");
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  write_file(folder / "m", bytes);
  const std::string message = refusal(folder / "m");
  EXPECT_CONTAINS(message, "damaged: expected parameters of SHA-256 " +
                               parameters_sha256(model.parameters.theta()));
  Parameters parameters(model.parameters.layout());
  EXPECT_EQ(message_of<DataError>([&] { load_parameters(folder / "m", parameters); }), message);
  EXPECT_EQ(std::ranges::count(parameters.theta(), 0.0F), std::ssize(parameters.theta()))
      << "what was there before stays";
}

// Which are the same, by name, in whatever order layers have them.
TEST(ModelFile, ParametersAreThoseOfTheirHashInAnotherOrderToo) {
  const test::TemporaryFolder folder;
  const Network dense_first({4}, {Dense{4}, BatchNorm{}});
  Model model;
  model.network = dense_first;
  model.class_names = {"a", "b", "c", "d"};
  model.parameters = initialize(dense_first, 3);
  save_model(folder / "m", model);
  Parameters parameters(parameter_layout({{4}, {BatchNorm{}, Dense{4}}}));
  EXPECT_NO_THROW(load_parameters(folder / "m", parameters));
}

// Whose order of layers it is of, nobody can tell.
TEST(ModelFile, AHashWithoutANetworkSaysNothing) {
  const test::TemporaryFolder folder;
  const Parameters parameters = initialize(Network({4}, {Dense{4}, BatchNorm{}}), 3);
  std::vector<NamedView> views;
  for (const ParameterTensor& tensor : parameters.layout().tensors)
    views.push_back({tensor.name, parameters[tensor.name]});
  write_safetensors(folder / "m",
                    {{"gradatim.parameters_sha256", parameters_sha256(parameters.theta())}}, views);
  Parameters other(parameter_layout({{4}, {BatchNorm{}, Dense{4}}}));
  EXPECT_NO_THROW(load_parameters(folder / "m", other));
}

TEST(ModelFile, ParametersOfAnotherNetworkAreRefusedByTensor) {
  const test::TemporaryFolder folder;
  save_model(folder / "m", sample_model());
  const auto refusal_for = [&](const Network& network) {
    Parameters parameters(parameter_layout(network));
    return message_of<DataError>([&] { load_parameters(folder / "m", parameters); });
  };
  EXPECT_EQ(refusal_for(Network({6}, {Dense{4}, Tanh{}, Dense{3}})),
            "model " + (folder / "m").string() +
                ": tensor 'dense1.weight': expected shape (6, 4), got (6, 5)");
  EXPECT_CONTAINS(refusal_for(Network({6}, {Dense{5}, Dense{3}, Dense{2}})),
                  "expected a tensor 'dense3.weight' (3, 2), there is none");
  EXPECT_CONTAINS(refusal_for(Network({6}, {Dense{5}})),
                  "tensor 'dense2.weight' (5, 3) belongs to another network");
  Parameters parameters(parameter_layout(kNetwork));
  load_parameters(folder / "m", parameters);
  EXPECT_EQ(parameters_sha256(parameters.theta()),
            parameters_sha256(sample_model().parameters.theta()));
}

}  // namespace
}  // namespace gradatim

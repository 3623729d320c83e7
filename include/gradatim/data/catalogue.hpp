#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string_view>

#include "gradatim/data/dataset.hpp"

namespace gradatim {

/// One file of a dataset. It is published, and kept, as NAME.gz; a plain NAME is read too.
struct DatasetFile {
  std::string_view name;
  std::string_view sha256;  // of the decompressed payload, lower-case hexadecimal
  std::uint64_t bytes = 0;  // of the decompressed payload
};

inline constexpr std::size_t kDatasetFiles = 4;

/// A dataset that gradatim knows: what it is, where it is published, how to tell that it is whole.
struct DatasetEntry {
  std::string_view name;
  std::string_view title;
  std::string_view source;
  std::string_view licence;
  std::array<DatasetFile, kDatasetFiles> files;  // train images, train labels, test images, labels
  std::span<const std::string_view> mirrors;     // URLs that end in '/', in the order of preference
  std::span<const std::string_view> class_names;
};

std::span<const DatasetEntry> catalogue();

/// Throws InvalidArgument, with the nearest name there is, for an unknown name.
const DatasetEntry& find_dataset(std::string_view name);

/// Folders that may hold datasets, looked through in this order; an empty one is skipped.
/// Each is searched for FOLDER/NAME, then for the files in FOLDER itself (only the chosen one).
struct DataPaths {
  std::filesystem::path chosen{};                        // named by the user
  std::filesystem::path cache{};                         // where downloads are kept
  std::filesystem::path system = "/usr/share/datasets";  // Debian's dataset-* packages
};

struct DatasetLocation {
  std::filesystem::path folder;
  std::array<std::filesystem::path, kDatasetFiles> files;  // in the entry's order
};

/// The first folder that holds the dataset; nothing if none holds any file of it. Throws DataError
/// if paths.chosen is given and is no folder, or holds some of the files but not all; or if the
/// cache or the system's folder does (an interrupted download) and no other holds them all. What is
/// missing is named, and the command that fetches it.
std::optional<DatasetLocation> locate(const DatasetEntry& entry, const DataPaths& paths = {});

/// Reads a dataset of the catalogue, training and test files at the same time, or makes one that is
/// generated (gradatim/data/generated.hpp). Hashes are not
/// verified here (see payload_sha256): a rebuilt copy of the right form will do.
/// Throws InvalidArgument for an unknown name; DataError, with the folders looked through and the
/// command that fetches it, if it is nowhere, and for a damaged file (see read_split).
Dataset load_dataset(std::string_view name, const DataPaths& paths = {});

}  // namespace gradatim

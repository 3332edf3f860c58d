#!/usr/bin/env bash
# Builds build/gpu/superres-gpu.tar.xz: all that tools/gpu_check.sh needs on a machine with a GPU and nothing else installed.
#   tools/gpu_bundle.sh [IMAGE_FOLDER]     IMAGE_FOLDER: ground truth for the table of precisions (BMP, PNG, JPEG, TIFF)
# There: tar xf superres-gpu.tar.xz (or, without xz, python3 -m tarfile -e superres-gpu.tar.xz) && superres-gpu/gpu_check.sh
# cuDNN and cuBLAS, hundreds of megabytes, are not in it: cuda_bench takes those of the machine. A device test that cannot be
# built is named, here and by gpu_check.sh; the archive is written all the same and the exit status is 1.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$root/build/gpu-release
stage=$root/build/gpu/superres-gpu
archive=$root/build/gpu/superres-gpu.tar.xz
log=$root/build/gpu/build.log
most_bytes=$((64 * 1024 * 1024))

fail() { echo "gpu_bundle.sh: error: $*" >&2; exit 1; }

[ $# -le 1 ] || { echo "gpu_bundle.sh: error: want at most one folder of images, not $# arguments" >&2; exit 2; }
images=${1:-}
[ -z "$images" ] || [ -d "$images" ] || fail "$images: no such folder; want images for the table of precisions"
[ -z "$images" ] || images=$(realpath "$images")

cd "$root"
mkdir -p "$root/build/gpu"
tests=()
while read -r source; do  # as tests/CMakeLists.txt names them
  name=${source#tests/}
  name=${name%.cpp}
  [[ $name == cuda_emulation* ]] || tests+=("${name//\//_}")
done < <(find tests -name '*_test.cpp' | grep '[/_]cuda[/_]' | LC_ALL=C sort)
# tools_programs_cuda_test runs all but cuda_network_bench.
programs=(eval_superres_net score_superres_net create_training_dataset train_superres_net make_scene cuda_network_bench)

launcher=()
command -v ccache >/dev/null && launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DCMAKE_CUDA_COMPILER_LAUNCHER=ccache)
echo "building (output in $log)"
# Instructions for sm_80 and sm_90, PTX for what comes later; libraries are looked for beside the program, those that
# libraries need too (an old-style rpath).
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DSR_CUDA=auto -DSR_TESTS=ON -DSR_BENCH=ON \
  "-DCMAKE_CUDA_ARCHITECTURES=80-real;90" -DCMAKE_BUILD_WITH_INSTALL_RPATH=ON "-DCMAKE_INSTALL_RPATH=\$ORIGIN/../lib" \
  -DCMAKE_EXE_LINKER_FLAGS=-Wl,--disable-new-dtags "${launcher[@]}" >"$log" 2>&1 ||
  { tail -n 20 "$log" >&2; fail "configuring failed; the whole of its output is in $log"; }
grep -q '^CMAKE_CUDA_COMPILER:' "$build/CMakeCache.txt" || fail "there is no nvcc here; set CUDA_HOME or install the toolkit"
targets=$(ninja -C "$build" -t targets all | sed -n 's/^\([a-z0-9_]*\): phony$/\1/p')
if grep -qx cuda_bench <<<"$targets"; then
  programs+=(cuda_bench)
else
  echo "gpu_bundle.sh: no cuDNN or cuBLAS here: the archive has no cuda_bench" >&2
fi
# What builds is wanted even if something else does not. Programs of an earlier run would hide that one was not built.
rm -rf "${build:?}/bin"
cmake --build "$build" -j "${SR_JOBS:-$(nproc)}" --target "${programs[@]}" "${tests[@]}" -- -k 0 >>"$log" 2>&1 || true

rm -rf "$stage" "$archive"
mkdir -p "$stage"/{bin,lib,bench/cuda,images}
missing=()
for name in "${programs[@]}" "${tests[@]}"; do
  if [ -x "$build/bin/$name" ]; then
    install -s "$build/bin/$name" "$stage/bin/$name"
  else
    missing+=("$name")
  fi
done
for program in "${programs[@]}"; do
  [ -x "$stage/bin/$program" ] || { tail -n 20 "$log" >&2; fail "$program was not built; the whole of the output is in $log"; }
done

# What the programs load, but for the C library, whose parts must be the machine's own, and the driver.
theirs='^(linux-vdso|ld-linux.*|libc|libm|libpthread|libdl|librt|libresolv|libcuda|libcudnn.*|libcublas.*)\.so'
for program in "$stage"/bin/*; do
  while read -r name path; do
    [[ $name =~ $theirs ]] && continue
    [ "$path" != not ] || fail "$(basename "$program") needs $name, which was not found"
    [ -e "$stage/lib/$name" ] || install -m 644 -s "$path" "$stage/lib/$name"
  done < <(ldd "$program" | awk '$2 == "=>" {print $1, $3}')
done

cp -r pretrained "$stage/"
[ -z "$images" ] || find "$images" -maxdepth 1 -type f -exec cp -t "$stage/images" {} +
# What idn_golden_cuda_test reads of the data beside the project.
shared=${IDN_SHARED:-$root/../shared}
for factor in 2 3 4; do
  for file in golden/idn_x$factor/{lr,sr,bicubic}.f32 reference/idn_caffe/IDN_x$factor.caffemodel; do
    [ -f "$shared/$file" ] || { echo "gpu_bundle.sh: no $shared/$file: idn_golden_cuda_test will be skipped" >&2; continue; }
    install -m 644 -D "$shared/$file" "$stage/shared/$file"
  done
done
cp bench/cuda/{peers,kernel_table}.py "$stage/bench/cuda/"
install -m 755 tools/gpu_check.sh "$stage/"
printf '%s\n' "${tests[@]}" >"$stage/tests.txt"
commit=$(git rev-parse --short HEAD)
[ -z "$(git status --porcelain --untracked-files=no)" ] || commit="$commit with changes"
echo "$commit" >"$stage/commit.txt"

# Every program holds the same kernels: xz sees that, gzip looks back 32 KiB.
tar -C "$root/build/gpu" --sort=name --owner=0 --group=0 -c superres-gpu | xz --lzma2=preset=6,dict=256MiB >"$archive"
bytes=$(stat -c %s "$archive")
[ "$bytes" -lt "$most_bytes" ] || fail "$archive has $bytes bytes, more than $most_bytes; give fewer images"
echo "wrote $archive: $((bytes / 1024)) KiB, $(find "$stage/bin" -type f | wc -l) programs, $(find "$stage/lib" -type f | wc -l) libraries, commit $commit"
[ ${#missing[@]} -eq 0 ] || fail "not built, and not in the archive: ${missing[*]}; the reasons are in $log"

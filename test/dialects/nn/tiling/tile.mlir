// RUN: llmc-opt %s --transform-interpreter | FileCheck %s
// RUN: llmc-opt %s --transform-interpreter --nn-check-expected=tolerance=1e-6 -o /dev/null
// Every operation whose results are tensors is cut into tiles by upstream's transformations, and the loops compute what it does. Five
// rows make three tiles of two, the last one smaller.

module attributes {transform.with_named_sequence} {

func.func private @x() -> tensor<5x12xf32> {
  %0 = arith.constant dense<[[-0.705, -1.397, 0.604, -1.71, 0.144, -0.537, -1.768, 0.03, -1.85, -0.265, -1.721, -1.637], [-0.302, 1.307, -1.505, -1.107, 0.51, 1.791, 0.308, -0.413, 1.905, -1.814, 1.434, -0.842], [-1.423, -1.529, -0.766, 1.265, -1.277, 0.326, 0.556, -0.51, 0.191, -1.749, -1.762, -1.176], [0.722, -0.29, -0.743, 0.342, -0.187, -0.801, 1.178, 0.796, -1.024, 0.298, 0.101, 1.501], [0.918, -0.848, 1.921, -1.528, -0.328, 1.029, -1.392, -0.044, -1.843, 0.673, 1.058, 0.292]]> : tensor<5x12xf32>
  return %0 : tensor<5x12xf32>
}

func.func private @w() -> tensor<7x12xf32> {
  %0 = arith.constant dense<[[1.502, -0.745, 0.781, 0.377, 0.32, -0.175, 1.36, 1.779, -0.104, 0.657, -1.757, 0.806], [0.589, 1.972, 1.288, -0.862, -0.457, 0.675, -1.91, -0.153, -1.328, -1.532, -1.764, 1.073], [-1.483, -1.01, -0.436, 1.486, -1.678, -0.203, 0.198, 1.534, 1.277, 1.456, -0.886, -0.339], [-0.565, 1.537, 1.831, -1.396, -1.295, -1.072, -1.067, -0.06, 0.356, -0.949, -1.984, -0.324], [-0.523, 0.265, 1.812, 0.762, 0.062, 0.47, 0.705, -1.784, 1.598, 1.12, 1.498, 1.191], [-0.43, -0.404, -1.586, 0.537, -1.751, -1.731, -1.165, -1.351, -0.64, -1.79, -1.999, -1.395], [-1.594, -0.546, -1.898, 1.497, 0.456, -1.406, -0.991, -0.61, -0.543, -1.509, 1.396, 1.972]]> : tensor<7x12xf32>
  return %0 : tensor<7x12xf32>
}

func.func private @b() -> tensor<7xf32> {
  %0 = arith.constant dense<[-0.136, -0.065, -1.656, -1.591, -0.629, -0.941, 1.315]> : tensor<7xf32>
  return %0 : tensor<7xf32>
}

func.func private @g() -> tensor<4xf32> {
  %0 = arith.constant dense<[-1.354, -1.908, 1.804, 0.113]> : tensor<4xf32>
  return %0 : tensor<4xf32>
}

func.func private @n() -> tensor<12xf32> {
  %0 = arith.constant dense<[-1.414, 0.173, -1.892, 0.112, 1.914, 1.453, 0.785, -0.956, -0.533, -1.332, 1.088, 0.13]> : tensor<12xf32>
  return %0 : tensor<12xf32>
}

func.func private @p() -> tensor<5xi32> {
  %0 = arith.constant dense<[3, 1, 4, 0, 6]> : tensor<5xi32>
  return %0 : tensor<5xi32>
}

func.func private @k() -> tensor<6x4xf32> {
  %0 = arith.constant dense<[[1.116, -0.681, -1.108, 1.246], [1.94, 1.411, 1.224, 1.273], [0.959, -1.093, 0.071, -0.578], [-1.884, -1.888, -0.882, -0.963], [0.77, 1.826, -0.211, 1.748], [1.952, 1.82, -0.541, -1.118]]> : tensor<6x4xf32>
  return %0 : tensor<6x4xf32>
}

func.func private @v() -> tensor<6x6xf32> {
  %0 = arith.constant dense<[[-1.093, -1.213, -1.183, 0.496, 1.601, 1.362], [-0.082, 0.612, 1.199, -1.661, 0.642, 1.639], [1.129, 1.001, -0.088, -1.286, 1.157, -0.67], [1.203, 1.887, -0.417, -0.394, 1.787, 0.899], [-1.32, -1.492, -1.395, 1.619, 1.226, -1.415], [1.306, 1.921, 0.629, -0.598, 0.195, -1.476]]> : tensor<6x6xf32>
  return %0 : tensor<6x6xf32>
}

func.func private @bias() -> tensor<20x6xf32> {
  %0 = arith.constant dense<[[-1.943, 1.884, 0.599, 0.106, 1.734, -0.265], [1.487, 1.305, -1.156, -0.993, -0.828, -1.038], [0.346, -0.963, -0.324, -1.476, 1.64, -0.585], [-0.167, 0.333, 1.617, -0.317, 1.671, 0.007], [0.127, 0.094, -1.925, -0.24, -1.268, -1.984], [1.197, -1.311, -0.106, 0.901, 0.226, -0.696], [0.073, 0.222, 1.137, -1.576, 0.241, -1.006], [-0.892, 1.089, 0.031, 0.247, 1.04, 1.65], [-0.227, 0.45, 0.022, 0.049, 0.771, -0.191], [0.133, -0.088, 1.766, 0.797, 1.506, 1.769], [-0.962, 0.238, 1.773, 1.36, -1.451, -1.514], [-0.232, -1.71, -1.037, -1.708, 0.678, 1.136], [1.588, -1.382, 0.864, 0.641, -1.428, 1.531], [1.87, -1.122, 1.81, -0.407, -0.051, 1.959], [1.33, -1.354, -0.274, 0.062, -0.644, -1.217], [-0.726, 0.889, -1.922, 0.216, -0.238, -1.928], [-0.674, 0.496, 0.049, -1.743, 1.94, 1.153], [1.887, -1.581, -0.938, -1.842, 1.116, -0.918], [-1.482, -0.311, 1.646, 1.276, -0.966, -1.403], [1.677, 0.282, 0.802, -1.642, -1.77, 0.753]]> : tensor<20x6xf32>
  return %0 : tensor<20x6xf32>
}

func.func private @ids() -> tensor<3xi32> {
  %0 = arith.constant dense<[2, 0, 6]> : tensor<3xi32>
  return %0 : tensor<3xi32>
}

func.func private @router() -> tensor<5x2xf32> {
  %0 = arith.constant dense<[[-0.299, -1.71], [1.753, 0.538], [1.207, -1.665], [1.425, -1.734], [1.451, -0.185]]> : tensor<5x2xf32>
  return %0 : tensor<5x2xf32>
}

func.func private @gate() -> tensor<6x12xf32> {
  %0 = arith.constant dense<[[-0.643, 0.212, 1.707, -0.929, -1.483, 0.108, -1.046, -1.562, -1.354, -1.798, -1.193, -0.752], [-0.78, 1.038, -0.84, 0.0, -1.288, -0.612, -1.927, -0.998, -1.939, 0.932, 0.204, -1.242], [-0.101, 1.739, -1.575, 1.276, -0.271, -0.02, 1.338, -0.428, 0.027, 0.751, 1.93, -0.629], [1.329, 0.827, 0.544, -0.381, -0.61, -1.782, -1.481, -1.717, 0.964, -0.978, -1.347, -1.662], [1.365, 1.482, 0.682, -0.872, -1.031, -0.828, -0.162, -1.37, -0.217, -0.947, 1.847, 1.89], [0.188, -1.022, 1.863, -0.762, -0.574, -1.996, -0.473, -0.101, 0.011, -1.196, 0.019, -1.98]]> : tensor<6x12xf32>
  return %0 : tensor<6x12xf32>
}

func.func private @down() -> tensor<24x3xf32> {
  %0 = arith.constant dense<[[-0.943, -1.641, -0.402], [-1.833, -1.91, -0.783], [-1.069, 0.342, 0.117], [1.002, 0.63, 0.864], [1.516, -0.442, -0.695], [1.939, -1.402, 0.897], [0.573, -1.825, 1.341], [1.568, 0.509, 0.935], [1.249, -1.443, 0.095], [0.017, 1.34, 1.219], [1.306, 0.336, 1.571], [0.732, 0.773, -1.08], [-1.875, -1.468, -0.557], [-1.58, 1.343, 0.234], [0.511, 0.505, 0.723], [-0.043, -1.987, 1.191], [0.993, 0.012, 0.141], [0.637, -1.736, 0.947], [-0.991, -1.702, -0.938], [0.917, -1.179, 0.959], [1.903, -0.024, -0.47], [-0.084, 0.735, 1.068], [0.468, 0.571, -1.69], [-1.41, -0.984, 0.973]]> : tensor<24x3xf32>
  return %0 : tensor<24x3xf32>
}

func.func private @buckets() -> tensor<4x2xf32> {
  %0 = arith.constant dense<[[-0.782, 0.271], [-1.95, -1.757], [-0.925, 0.688], [0.769, 0.703]]> : tensor<4x2xf32>
  return %0 : tensor<4x2xf32>
}

func.func private @seg() -> tensor<5xi32> {
  %0 = arith.constant dense<[0, 0, 1, 1, 1]> : tensor<5xi32>
  return %0 : tensor<5xi32>
}

func.func private @causal_kv() -> tensor<5x4xf32> {
  %0 = arith.constant dense<[[-0.837, 0.066, -0.141, -0.135], [-1.526, 1.575, -1.203, 1.913], [1.745, -1.93, -0.164, 1.28], [1.872, -0.202, -0.925, -1.161], [1.782, -1.157, 0.326, -1.433]]> : tensor<5x4xf32>
  return %0 : tensor<5x4xf32>
}

// CHECK-LABEL: @silu()
// CHECK: scf.for
func.func @silu() -> tensor<5x12xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %r = nn.silu %x {tile = "rows_columns"} : tensor<5x12xf32>
  return %r : tensor<5x12xf32>
}
func.func @silu.expected() -> tensor<5x12xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %r = nn.silu %x  : tensor<5x12xf32>
  return %r : tensor<5x12xf32>
}

// CHECK-LABEL: @gelu()
// CHECK: scf.for
func.func @gelu() -> tensor<5x12xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %r = nn.gelu tanh %x {tile = "rows_columns"} : tensor<5x12xf32>
  return %r : tensor<5x12xf32>
}
func.func @gelu.expected() -> tensor<5x12xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %r = nn.gelu tanh %x  : tensor<5x12xf32>
  return %r : tensor<5x12xf32>
}

// CHECK-LABEL: @relu()
// CHECK: scf.for
func.func @relu() -> tensor<5x12xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %r = nn.relu %x {tile = "rows_columns"} : tensor<5x12xf32>
  return %r : tensor<5x12xf32>
}
func.func @relu.expected() -> tensor<5x12xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %r = nn.relu %x  : tensor<5x12xf32>
  return %r : tensor<5x12xf32>
}

// CHECK-LABEL: @scale()
// CHECK: scf.for
func.func @scale() -> tensor<5x12xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %r = nn.scale %x by 3.0 {tile = "rows_columns"} : tensor<5x12xf32>
  return %r : tensor<5x12xf32>
}
func.func @scale.expected() -> tensor<5x12xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %r = nn.scale %x by 3.0  : tensor<5x12xf32>
  return %r : tensor<5x12xf32>
}

// CHECK-LABEL: @softcap()
// CHECK: scf.for
func.func @softcap() -> tensor<5x12xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %r = nn.softcap %x to 2.0 {tile = "rows_columns"} : tensor<5x12xf32>
  return %r : tensor<5x12xf32>
}
func.func @softcap.expected() -> tensor<5x12xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %r = nn.softcap %x to 2.0  : tensor<5x12xf32>
  return %r : tensor<5x12xf32>
}

// CHECK-LABEL: @dynamic_rows()
// CHECK: scf.for
func.func @dynamic_rows() -> tensor<?x12xf32> {
  %x_ = call @x() : () -> tensor<5x12xf32>
  %x = tensor.cast %x_ : tensor<5x12xf32> to tensor<?x12xf32>
  %r = nn.silu %x {tile = "rows_columns"} : tensor<?x12xf32>
  return %r : tensor<?x12xf32>
}
func.func @dynamic_rows.expected() -> tensor<?x12xf32> {
  %x_ = call @x() : () -> tensor<5x12xf32>
  %x = tensor.cast %x_ : tensor<5x12xf32> to tensor<?x12xf32>
  %r = nn.silu %x  : tensor<?x12xf32>
  return %r : tensor<?x12xf32>
}

// CHECK-LABEL: @linear()
// CHECK: scf.for
func.func @linear() -> tensor<5x7xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %w = call @w() : () -> tensor<7x12xf32>
  %r = nn.linear %x, %w {tile = "rows_columns"} : tensor<5x12xf32>, tensor<7x12xf32> -> tensor<5x7xf32>
  return %r : tensor<5x7xf32>
}
func.func @linear.expected() -> tensor<5x7xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %w = call @w() : () -> tensor<7x12xf32>
  %r = nn.linear %x, %w  : tensor<5x12xf32>, tensor<7x12xf32> -> tensor<5x7xf32>
  return %r : tensor<5x7xf32>
}

// CHECK-LABEL: @linear_bias()
// CHECK: scf.for
func.func @linear_bias() -> tensor<?x7xf32> {
  %x_ = call @x() : () -> tensor<5x12xf32>
  %x = tensor.cast %x_ : tensor<5x12xf32> to tensor<?x12xf32>
  %w = call @w() : () -> tensor<7x12xf32>
  %b = call @b() : () -> tensor<7xf32>
  %r = nn.linear %x, %w bias %b {tile = "rows_columns"} : tensor<?x12xf32>, tensor<7x12xf32>, tensor<7xf32> -> tensor<?x7xf32>
  return %r : tensor<?x7xf32>
}
func.func @linear_bias.expected() -> tensor<?x7xf32> {
  %x_ = call @x() : () -> tensor<5x12xf32>
  %x = tensor.cast %x_ : tensor<5x12xf32> to tensor<?x12xf32>
  %w = call @w() : () -> tensor<7x12xf32>
  %b = call @b() : () -> tensor<7xf32>
  %r = nn.linear %x, %w bias %b  : tensor<?x12xf32>, tensor<7x12xf32>, tensor<7xf32> -> tensor<?x7xf32>
  return %r : tensor<?x7xf32>
}

// CHECK-LABEL: @rms_norm()
// CHECK: scf.for
func.func @rms_norm() -> tensor<5x12xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %g = call @g() : () -> tensor<4xf32>
  %r = nn.rms_norm %x, %g epsilon 1.0e-5 {tile = "rows_groups"} : tensor<5x12xf32>, tensor<4xf32>
  return %r : tensor<5x12xf32>
}
func.func @rms_norm.expected() -> tensor<5x12xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %g = call @g() : () -> tensor<4xf32>
  %r = nn.rms_norm %x, %g epsilon 1.0e-5  : tensor<5x12xf32>, tensor<4xf32>
  return %r : tensor<5x12xf32>
}

// CHECK-LABEL: @layer_norm()
// CHECK: scf.for
func.func @layer_norm() -> tensor<5x12xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %n = call @n() : () -> tensor<12xf32>
  %r = nn.layer_norm %x, %n bias %n epsilon 1.0e-5 {tile = "rows"} : tensor<5x12xf32>, tensor<12xf32>, tensor<12xf32>
  return %r : tensor<5x12xf32>
}
func.func @layer_norm.expected() -> tensor<5x12xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %n = call @n() : () -> tensor<12xf32>
  %r = nn.layer_norm %x, %n bias %n epsilon 1.0e-5  : tensor<5x12xf32>, tensor<12xf32>, tensor<12xf32>
  return %r : tensor<5x12xf32>
}

// CHECK-LABEL: @embedding()
// CHECK: scf.for
func.func @embedding() -> tensor<3x12xf32> {
  %ids = call @ids() : () -> tensor<3xi32>
  %w = call @w() : () -> tensor<7x12xf32>
  %r = nn.embedding %ids, %w {tile = "rows_columns"} : tensor<3xi32>, tensor<7x12xf32> -> tensor<3x12xf32>
  return %r : tensor<3x12xf32>
}
func.func @embedding.expected() -> tensor<3x12xf32> {
  %ids = call @ids() : () -> tensor<3xi32>
  %w = call @w() : () -> tensor<7x12xf32>
  %r = nn.embedding %ids, %w  : tensor<3xi32>, tensor<7x12xf32> -> tensor<3x12xf32>
  return %r : tensor<3x12xf32>
}

// CHECK-LABEL: @select_rows()
// CHECK: scf.for
func.func @select_rows() -> tensor<3x12xf32> {
  %w = call @w() : () -> tensor<7x12xf32>
  %ids = call @ids() : () -> tensor<3xi32>
  %r = nn.select_rows %w, %ids {tile = "rows_columns"} : tensor<7x12xf32>, tensor<3xi32> -> tensor<3x12xf32>
  return %r : tensor<3x12xf32>
}
func.func @select_rows.expected() -> tensor<3x12xf32> {
  %w = call @w() : () -> tensor<7x12xf32>
  %ids = call @ids() : () -> tensor<3xi32>
  %r = nn.select_rows %w, %ids  : tensor<7x12xf32>, tensor<3xi32> -> tensor<3x12xf32>
  return %r : tensor<3x12xf32>
}

// CHECK-LABEL: @scatter_rows()
// CHECK: scf.for
func.func @scatter_rows() -> tensor<9x12xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %p = call @p() : () -> tensor<5xi32>
  %r = nn.scatter_rows %x, %p {tile = "rows"} : tensor<5x12xf32>, tensor<5xi32> -> tensor<9x12xf32>
  return %r : tensor<9x12xf32>
}
func.func @scatter_rows.expected() -> tensor<9x12xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %p = call @p() : () -> tensor<5xi32>
  %r = nn.scatter_rows %x, %p : tensor<5x12xf32>, tensor<5xi32> -> tensor<9x12xf32>
  return %r : tensor<9x12xf32>
}

// CHECK-LABEL: @cross_entropy()
// CHECK: scf.for
func.func @cross_entropy() -> tensor<5x1xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %p = call @p() : () -> tensor<5xi32>
  %r = nn.cross_entropy %x, %p {tile = "rows"} : tensor<5x12xf32>, tensor<5xi32> -> tensor<5x1xf32>
  return %r : tensor<5x1xf32>
}
func.func @cross_entropy.expected() -> tensor<5x1xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %p = call @p() : () -> tensor<5xi32>
  %r = nn.cross_entropy %x, %p : tensor<5x12xf32>, tensor<5xi32> -> tensor<5x1xf32>
  return %r : tensor<5x1xf32>
}

// CHECK-LABEL: @kl_divergence()
// CHECK: scf.for
func.func @kl_divergence() -> tensor<5x1xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %p = call @p() : () -> tensor<5xi32>
  %y = nn.scale %x by -0.5 : tensor<5x12xf32>
  %r = nn.kl_divergence %x, %y {tile = "rows"} : tensor<5x12xf32>, tensor<5x12xf32> -> tensor<5x1xf32>
  return %r : tensor<5x1xf32>
}
func.func @kl_divergence.expected() -> tensor<5x1xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %p = call @p() : () -> tensor<5xi32>
  %y = nn.scale %x by -0.5 : tensor<5x12xf32>
  %r = nn.kl_divergence %x, %y : tensor<5x12xf32>, tensor<5x12xf32> -> tensor<5x1xf32>
  return %r : tensor<5x1xf32>
}

// CHECK-LABEL: @dropout()
// CHECK: scf.for
func.func @dropout() -> tensor<5x12xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %p = call @p() : () -> tensor<5xi32>
  %d = arith.constant dense<[1, 2, 3]> : tensor<3xi32>
  %r = nn.dropout %x rows %p draw %d rate 0.5 stream 0 {tile = "rows"} : tensor<5x12xf32>, tensor<5xi32>, tensor<3xi32>
  return %r : tensor<5x12xf32>
}
func.func @dropout.expected() -> tensor<5x12xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %p = call @p() : () -> tensor<5xi32>
  %d = arith.constant dense<[1, 2, 3]> : tensor<3xi32>
  %r = nn.dropout %x rows %p draw %d rate 0.5 stream 0 : tensor<5x12xf32>, tensor<5xi32>, tensor<3xi32>
  return %r : tensor<5x12xf32>
}

// CHECK-LABEL: @attention_gradient()
// CHECK: scf.for
func.func @attention_gradient() -> (tensor<5x12xf32>, tensor<5x12xf32>, tensor<5x12xf32>) {
  %x = call @x() : () -> tensor<5x12xf32>
  %r:3 = nn.attention_gradient %x, %x, %x, %x heads 2 kv_heads 2 scale 0.5 causal {tile = "heads"} : tensor<5x12xf32>, tensor<5x12xf32>, tensor<5x12xf32>, tensor<5x12xf32>
  return %r#0, %r#1, %r#2 : tensor<5x12xf32>, tensor<5x12xf32>, tensor<5x12xf32>
}
func.func @attention_gradient.expected() -> (tensor<5x12xf32>, tensor<5x12xf32>, tensor<5x12xf32>) {
  %x = call @x() : () -> tensor<5x12xf32>
  %r:3 = nn.attention_gradient %x, %x, %x, %x heads 2 kv_heads 2 scale 0.5 causal : tensor<5x12xf32>, tensor<5x12xf32>, tensor<5x12xf32>, tensor<5x12xf32>
  return %r#0, %r#1, %r#2 : tensor<5x12xf32>, tensor<5x12xf32>, tensor<5x12xf32>
}

// CHECK-LABEL: @rope()
// CHECK: scf.for
func.func @rope() -> tensor<5x12xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %p = call @p() : () -> tensor<5xi32>
  %r = nn.rope %x at %p heads 3 dims 2 theta 1.0e2 half {tile = "rows_heads"} : tensor<5x12xf32>, tensor<5xi32>
  return %r : tensor<5x12xf32>
}
func.func @rope.expected() -> tensor<5x12xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %p = call @p() : () -> tensor<5xi32>
  %r = nn.rope %x at %p heads 3 dims 2 theta 1.0e2 half  : tensor<5x12xf32>, tensor<5xi32>
  return %r : tensor<5x12xf32>
}

// CHECK-LABEL: @rope_table()
// CHECK: scf.for
func.func @rope_table() -> tensor<5x6xf32> {
  %p = call @p() : () -> tensor<5xi32>
  %r = nn.rope_table %p dims 6 theta 1.0e2 {tile = "rows"} : tensor<5xi32> -> tensor<5x6xf32>
  return %r : tensor<5x6xf32>
}
func.func @rope_table.expected() -> tensor<5x6xf32> {
  %p = call @p() : () -> tensor<5xi32>
  %r = nn.rope_table %p dims 6 theta 1.0e2  : tensor<5xi32> -> tensor<5x6xf32>
  return %r : tensor<5x6xf32>
}

// CHECK-LABEL: @rotate()
// CHECK: scf.for
func.func @rotate() -> tensor<5x12xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %causal_kv = call @causal_kv() : () -> tensor<5x4xf32>
  %r = nn.rotate %x by %causal_kv heads 2 interleaved {tile = "rows_heads"} : tensor<5x12xf32>, tensor<5x4xf32>
  return %r : tensor<5x12xf32>
}
func.func @rotate.expected() -> tensor<5x12xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %causal_kv = call @causal_kv() : () -> tensor<5x4xf32>
  %r = nn.rotate %x by %causal_kv heads 2 interleaved  : tensor<5x12xf32>, tensor<5x4xf32>
  return %r : tensor<5x12xf32>
}

// CHECK-LABEL: @attention_heads_and_queries()
// CHECK: scf.for
func.func @attention_heads_and_queries() -> tensor<5x18xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %k = call @k() : () -> tensor<6x4xf32>
  %v = call @v() : () -> tensor<6x6xf32>
  %r = nn.attention %x, %k, %v heads 6 kv_heads 2 scale 0.5 {tile = "heads_queries"} : tensor<5x12xf32>, tensor<6x4xf32>, tensor<6x6xf32> -> tensor<5x18xf32>
  return %r : tensor<5x18xf32>
}
func.func @attention_heads_and_queries.expected() -> tensor<5x18xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %k = call @k() : () -> tensor<6x4xf32>
  %v = call @v() : () -> tensor<6x6xf32>
  %r = nn.attention %x, %k, %v heads 6 kv_heads 2 scale 0.5  : tensor<5x12xf32>, tensor<6x4xf32>, tensor<6x6xf32> -> tensor<5x18xf32>
  return %r : tensor<5x18xf32>
}

// CHECK-LABEL: @causal_attention_heads()
// CHECK: scf.for
func.func @causal_attention_heads() -> tensor<5x12xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %causal_kv = call @causal_kv() : () -> tensor<5x4xf32>
  %r = nn.attention %x, %causal_kv, %causal_kv heads 6 kv_heads 2 scale 0.5 causal window 3 {tile = "heads"} : tensor<5x12xf32>, tensor<5x4xf32>, tensor<5x4xf32> -> tensor<5x12xf32>
  return %r : tensor<5x12xf32>
}
func.func @causal_attention_heads.expected() -> tensor<5x12xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %causal_kv = call @causal_kv() : () -> tensor<5x4xf32>
  %r = nn.attention %x, %causal_kv, %causal_kv heads 6 kv_heads 2 scale 0.5 causal window 3  : tensor<5x12xf32>, tensor<5x4xf32>, tensor<5x4xf32> -> tensor<5x12xf32>
  return %r : tensor<5x12xf32>
}

// CHECK-LABEL: @packed_attention_heads()
// CHECK: scf.for
func.func @packed_attention_heads() -> tensor<5x12xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %causal_kv = call @causal_kv() : () -> tensor<5x4xf32>
  %seg = call @seg() : () -> tensor<5xi32>
  %r = nn.attention %x, %causal_kv, %causal_kv segments %seg : tensor<5xi32> heads 6 kv_heads 2 scale 0.5 {tile = "heads"} : tensor<5x12xf32>, tensor<5x4xf32>, tensor<5x4xf32> -> tensor<5x12xf32>
  return %r : tensor<5x12xf32>
}
func.func @packed_attention_heads.expected() -> tensor<5x12xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %causal_kv = call @causal_kv() : () -> tensor<5x4xf32>
  %seg = call @seg() : () -> tensor<5xi32>
  %r = nn.attention %x, %causal_kv, %causal_kv segments %seg : tensor<5xi32> heads 6 kv_heads 2 scale 0.5  : tensor<5x12xf32>, tensor<5x4xf32>, tensor<5x4xf32> -> tensor<5x12xf32>
  return %r : tensor<5x12xf32>
}

// CHECK-LABEL: @biased_attention_heads()
// CHECK: scf.for
func.func @biased_attention_heads() -> tensor<5x12xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %k = call @k() : () -> tensor<6x4xf32>
  %v = call @v() : () -> tensor<6x6xf32>
  %bias = call @bias() : () -> tensor<20x6xf32>
  %r = nn.attention %x, %v, %v bias %bias : tensor<20x6xf32> heads 4 kv_heads 2 scale 0.5 {tile = "heads"} : tensor<5x12xf32>, tensor<6x6xf32>, tensor<6x6xf32> -> tensor<5x12xf32>
  return %r : tensor<5x12xf32>
}
func.func @biased_attention_heads.expected() -> tensor<5x12xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %k = call @k() : () -> tensor<6x4xf32>
  %v = call @v() : () -> tensor<6x6xf32>
  %bias = call @bias() : () -> tensor<20x6xf32>
  %r = nn.attention %x, %v, %v bias %bias : tensor<20x6xf32> heads 4 kv_heads 2 scale 0.5  : tensor<5x12xf32>, tensor<6x6xf32>, tensor<6x6xf32> -> tensor<5x12xf32>
  return %r : tensor<5x12xf32>
}

// CHECK-LABEL: @relative_position_bias()
// CHECK: scf.for
func.func @relative_position_bias() -> tensor<6x5xf32> {
  %p = call @p() : () -> tensor<5xi32>
  %ids = call @ids() : () -> tensor<3xi32>
  %buckets = call @buckets() : () -> tensor<4x2xf32>
  %r = nn.relative_position_bias %ids, %p, %buckets max_distance 8 {tile = "rows"} : tensor<3xi32>, tensor<5xi32>, tensor<4x2xf32> -> tensor<6x5xf32>
  return %r : tensor<6x5xf32>
}
func.func @relative_position_bias.expected() -> tensor<6x5xf32> {
  %p = call @p() : () -> tensor<5xi32>
  %ids = call @ids() : () -> tensor<3xi32>
  %buckets = call @buckets() : () -> tensor<4x2xf32>
  %r = nn.relative_position_bias %ids, %p, %buckets max_distance 8  : tensor<3xi32>, tensor<5xi32>, tensor<4x2xf32> -> tensor<6x5xf32>
  return %r : tensor<6x5xf32>
}

// CHECK-LABEL: @experts()
// CHECK: scf.for
func.func @experts() -> tensor<5x12xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %router = call @router() : () -> tensor<5x2xf32>
  %gate = call @gate() : () -> tensor<6x12xf32>
  %down = call @down() : () -> tensor<24x3xf32>
  %r = nn.experts %x, %router, %gate, %gate, %down top_k 1 silu {tile = "rows"} : tensor<5x12xf32>, tensor<5x2xf32>, tensor<6x12xf32>, tensor<6x12xf32>, tensor<24x3xf32> -> tensor<5x12xf32>
  return %r : tensor<5x12xf32>
}
func.func @experts.expected() -> tensor<5x12xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %router = call @router() : () -> tensor<5x2xf32>
  %gate = call @gate() : () -> tensor<6x12xf32>
  %down = call @down() : () -> tensor<24x3xf32>
  %r = nn.experts %x, %router, %gate, %gate, %down top_k 1 silu  : tensor<5x12xf32>, tensor<5x2xf32>, tensor<6x12xf32>, tensor<6x12xf32>, tensor<24x3xf32> -> tensor<5x12xf32>
  return %r : tensor<5x12xf32>
}

// CHECK-LABEL: @split()
// CHECK: scf.for
func.func @split() -> (tensor<5x5xf32>, tensor<5x7xf32>) {
  %x = call @x() : () -> tensor<5x12xf32>
  %r0, %r1 = nn.split %x {tile = "rows"} : tensor<5x12xf32> -> tensor<5x5xf32>, tensor<5x7xf32>
  return %r0, %r1 : tensor<5x5xf32>, tensor<5x7xf32>
}
func.func @split.expected() -> (tensor<5x5xf32>, tensor<5x7xf32>) {
  %x = call @x() : () -> tensor<5x12xf32>
  %r0, %r1 = nn.split %x  : tensor<5x12xf32> -> tensor<5x5xf32>, tensor<5x7xf32>
  return %r0, %r1 : tensor<5x5xf32>, tensor<5x7xf32>
}

// CHECK-LABEL: @concat()
// CHECK: scf.for
func.func @concat() -> tensor<12x12xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %w = call @w() : () -> tensor<7x12xf32>
  %r = nn.concat %x, %w {tile = "rows"} : tensor<5x12xf32>, tensor<7x12xf32> -> tensor<12x12xf32>
  return %r : tensor<12x12xf32>
}
func.func @concat.expected() -> tensor<12x12xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %w = call @w() : () -> tensor<7x12xf32>
  %r = nn.concat %x, %w  : tensor<5x12xf32>, tensor<7x12xf32> -> tensor<12x12xf32>
  return %r : tensor<12x12xf32>
}

// CHECK-LABEL: @convert()
// CHECK: scf.for
func.func @convert() -> tensor<?x12xbf16> {
  %x_ = call @x() : () -> tensor<5x12xf32>
  %x = tensor.cast %x_ : tensor<5x12xf32> to tensor<?x12xf32>
  %r = nn.convert %x {tile = "rows_columns"} : tensor<?x12xf32> -> tensor<?x12xbf16>
  return %r : tensor<?x12xbf16>
}
func.func @convert.expected() -> tensor<?x12xbf16> {
  %x_ = call @x() : () -> tensor<5x12xf32>
  %x = tensor.cast %x_ : tensor<5x12xf32> to tensor<?x12xf32>
  %r = nn.convert %x  : tensor<?x12xf32> -> tensor<?x12xbf16>
  return %r : tensor<?x12xbf16>
}

// A cache is one value: only rows are cut.
// CHECK-LABEL: @cached_attention()
// CHECK: scf.for

func.func @cached_attention() -> tensor<5x12xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %kv = call @causal_kv() : () -> tensor<5x4xf32>
  %p = call @p() : () -> tensor<5xi32>
  %empty = nn.empty_cache : !nn.kv_cache<2x2xf32>
  %c = nn.cache_append %empty, %kv, %kv at %p : !nn.kv_cache<2x2xf32>, tensor<5x4xf32>, tensor<5x4xf32>, tensor<5xi32>
  %r = nn.cached_attention %x, %c at %p heads 6 kv_heads 2 scale 0.5 causal {tile = "rows"} : tensor<5x12xf32>, !nn.kv_cache<2x2xf32>, tensor<5xi32> -> tensor<5x12xf32>
  return %r : tensor<5x12xf32>
}
func.func @cached_attention.expected() -> tensor<5x12xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %kv = call @causal_kv() : () -> tensor<5x4xf32>
  %p = call @p() : () -> tensor<5xi32>
  %empty = nn.empty_cache : !nn.kv_cache<2x2xf32>
  %c = nn.cache_append %empty, %kv, %kv at %p : !nn.kv_cache<2x2xf32>, tensor<5x4xf32>, tensor<5x4xf32>, tensor<5xi32>
  %r = nn.cached_attention %x, %c at %p heads 6 kv_heads 2 scale 0.5 causal  : tensor<5x12xf32>, !nn.kv_cache<2x2xf32>, tensor<5xi32> -> tensor<5x12xf32>
  return %r : tensor<5x12xf32>
}

// CHECK-LABEL: @cached_attention_bias()
// CHECK: scf.for

func.func @cached_attention_bias() -> tensor<5x12xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %kv = call @causal_kv() : () -> tensor<5x4xf32>
  %p = call @p() : () -> tensor<5xi32>
  %b = arith.constant dense<[[0.5, -1.0, 0.25], [1.5, 0.0, -0.5], [-2.0, 1.0, 0.75], [0.0, 0.5, 1.0], [-0.25, 2.0, -1.5], [0.125, -0.75, 0.5]]> : tensor<6x3xf32>
  %empty = nn.empty_cache : !nn.kv_cache<2x2xf32>
  %c = nn.cache_append %empty, %kv, %kv at %p : !nn.kv_cache<2x2xf32>, tensor<5x4xf32>, tensor<5x4xf32>, tensor<5xi32>
  %r = nn.cached_attention %x, %c at %p bias %b : tensor<6x3xf32> heads 6 kv_heads 2 scale 0.5 causal {tile = "rows"} : tensor<5x12xf32>, !nn.kv_cache<2x2xf32>, tensor<5xi32> -> tensor<5x12xf32>
  return %r : tensor<5x12xf32>
}
func.func @cached_attention_bias.expected() -> tensor<5x12xf32> {
  %x = call @x() : () -> tensor<5x12xf32>
  %kv = call @causal_kv() : () -> tensor<5x4xf32>
  %p = call @p() : () -> tensor<5xi32>
  %b = arith.constant dense<[[0.5, -1.0, 0.25], [1.5, 0.0, -0.5], [-2.0, 1.0, 0.75], [0.0, 0.5, 1.0], [-0.25, 2.0, -1.5], [0.125, -0.75, 0.5]]> : tensor<6x3xf32>
  %empty = nn.empty_cache : !nn.kv_cache<2x2xf32>
  %c = nn.cache_append %empty, %kv, %kv at %p : !nn.kv_cache<2x2xf32>, tensor<5x4xf32>, tensor<5x4xf32>, tensor<5xi32>
  %r = nn.cached_attention %x, %c at %p bias %b : tensor<6x3xf32> heads 6 kv_heads 2 scale 0.5 causal  : tensor<5x12xf32>, !nn.kv_cache<2x2xf32>, tensor<5xi32> -> tensor<5x12xf32>
  return %r : tensor<5x12xf32>
}

transform.named_sequence @__transform_main(%module: !transform.any_op {transform.readonly}) {
  %rows = transform.structured.match attributes{tile = "rows"} in %module : (!transform.any_op) -> !transform.any_op
  %rows_tiled, %rows_l0 = transform.structured.tile_using_for %rows tile_sizes [2] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
  %heads = transform.structured.match attributes{tile = "heads"} in %module : (!transform.any_op) -> !transform.any_op
  %heads_tiled, %heads_l0 = transform.structured.tile_using_for %heads tile_sizes [1] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
  %rows_columns = transform.structured.match attributes{tile = "rows_columns"} in %module : (!transform.any_op) -> !transform.any_op
  %rows_columns_tiled, %rows_columns_l0, %rows_columns_l1 = transform.structured.tile_using_for %rows_columns tile_sizes [2, 5] : (!transform.any_op) -> (!transform.any_op, !transform.any_op, !transform.any_op)
  %rows_groups = transform.structured.match attributes{tile = "rows_groups"} in %module : (!transform.any_op) -> !transform.any_op
  %rows_groups_tiled, %rows_groups_l0, %rows_groups_l1 = transform.structured.tile_using_for %rows_groups tile_sizes [2, 1] : (!transform.any_op) -> (!transform.any_op, !transform.any_op, !transform.any_op)
  %rows_heads = transform.structured.match attributes{tile = "rows_heads"} in %module : (!transform.any_op) -> !transform.any_op
  %rows_heads_tiled, %rows_heads_l0, %rows_heads_l1 = transform.structured.tile_using_for %rows_heads tile_sizes [2, 1] : (!transform.any_op) -> (!transform.any_op, !transform.any_op, !transform.any_op)
  %heads_queries = transform.structured.match attributes{tile = "heads_queries"} in %module : (!transform.any_op) -> !transform.any_op
  %heads_queries_tiled, %heads_queries_l0, %heads_queries_l1 = transform.structured.tile_using_for %heads_queries tile_sizes [1, 2] : (!transform.any_op) -> (!transform.any_op, !transform.any_op, !transform.any_op)
  transform.yield
}
}

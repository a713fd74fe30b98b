"""What runs an encoder's network: XLA on accelerators, ONNX Runtime or OpenVINO on CPUs."""

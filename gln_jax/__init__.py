"""Global-Local Face Upsampling Network (Tuzel, Taguchi, Hershey 2016) in JAX and Flax."""

"""The worker process: owns torch and one device, works on one fill at a time, ends with the server."""

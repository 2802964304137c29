"""From Procfile, environment and configuration to frozen specs of what is to run."""
